"""Where in a prompt an answer may stand comes in, logits of tokens that go on
with such an answer go out.

An answer is a run of the prompt's own tokens, so that its text is a part of the
prompt's, whatever the model thinks.
"""

from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

OUTSIDE, INSIDE, START = range(3)
_UNKNOWN = "\ufffd".encode()  # stands for what a tokenizer doesn't know


class Spans(NamedTuple):
    """Where answers may stand.

    Attributes:
        places: `(batch, length)` int32 by the columns of the tokens: `OUTSIDE`,
            `INSIDE` a part that answers are taken from, or `START`, where one
            may begin too.
        variants: `(batch, length)` int32, the token that spells the place's
            without the space at its beginning, with which an answer may begin
            in its stead; -1 where there is none.
    """

    places: Any
    variants: Any


class SpanTable:
    """Says of tokens where answers may begin.

    An answer begins where a word does: behind a character that is no letter or
    digit, at one, or at any character of a script without spaces, as of
    Chinese, and at an emoji. It never begins within a character.

    Args:
        tokenizer: Has `vocab_size`, `special_tokens` and `token_bytes`.
    """

    def __init__(self, tokenizer):
        tokens = [
            tokenizer.token_bytes(token_id)
            for token_id in range(tokenizer.vocab_size)
        ]
        ids = {token: n for n, token in enumerate(tokens) if token}
        variants = [
            ids.get(token[1:], -1) if token[:1] == b" " else -1
            for token in tokens
        ]
        with tf.init_scope():  # shared by all graphs
            self._special = tf.constant(
                np.isin(
                    np.arange(len(tokens)),
                    [*tokenizer.special_tokens.values()],
                )
            )
            self._variants = tf.constant(variants, tf.int32)
            self._is_text = _flags(tokens, lambda x: x not in (b"", _UNKNOWN))
            self._splits = _flags(tokens, lambda x: not 0x80 <= x[0] < 0xC0)
            self._begins = _flags(tokens, lambda x: _is_apart(x[0]))
            self._ends = _flags(tokens, lambda x: _ends_apart(x))

    def find(self, token_ids, lengths, segment: int) -> Spans:
        """Finds the places of one part of each prompt.

        Args:
            token_ids: `(batch, length)` int32, right-padded with anything.
            lengths: `(batch,)` int32.
            segment: The part stands behind so many special tokens, and before
                the next one.
        """
        is_special = tf.gather(self._special, token_ids)
        passed = tf.cumsum(tf.cast(is_special, tf.int32), 1)
        is_inside = (passed == segment) & ~is_special
        is_inside &= tf.sequence_mask(lengths, tf.shape(token_ids)[1])
        is_inside &= tf.gather(self._is_text, token_ids)
        before = tf.pad(token_ids, [[0, 0], [1, 0]])[:, :-1]
        was_inside = tf.pad(is_inside, [[0, 0], [1, 0]])[:, :-1]
        is_start = tf.gather(self._begins, token_ids)
        is_start |= ~was_inside | tf.gather(self._ends, before)
        is_start &= is_inside & tf.gather(self._splits, token_ids)
        places = tf.cast(is_inside, tf.int32) + tf.cast(is_start, tf.int32)
        return Spans(places, tf.gather(self._variants, token_ids))


def keep_to_spans(logits, settings, context):
    """Keeps the tokens that go on with an answer, and the end of the text."""
    del settings
    spans = context.spans
    if spans is None:
        return logits
    counts = context.lengths - context.context_lengths
    is_next = _next_places(context, spans, counts)
    is_first = is_next & (counts == 0)[:, None] & (spans.variants >= 0)
    width = tf.shape(spans.places)[1]
    is_kept = _held(logits, context.token_ids[:, :width], is_next)
    is_kept |= _held(logits, spans.variants, is_first)
    vocabulary = tf.range(tf.shape(logits)[-1])[None]
    is_kept |= vocabulary == context.end_of_text_id
    return tf.where(is_kept, logits, -float("inf"))


def _next_places(context, spans, counts):
    """Says which places follow on the answer so far, wherever it stands.

    Returns:
        `(batch, length)` boolean.
    """
    width = tf.shape(spans.places)[1]
    token_ids = context.token_ids[:, :width]
    columns = tf.range(width)[None]
    is_inside = spans.places > OUTSIDE

    def has_more(back, is_next):
        return tf.reduce_any(is_next & (back <= counts)[:, None])

    def compare(back, is_next):
        last = tf.gather(
            context.token_ids,
            tf.maximum(context.lengths - back, 0),
            batch_dims=1,
        )[:, None]
        is_equal = tf.roll(token_ids, back, 1) == last
        is_begun = (back == counts)[:, None]
        is_equal |= is_begun & (tf.roll(spans.variants, back, 1) == last)
        is_equal &= tf.roll(is_inside, back, 1) & (columns >= back)
        return back + 1, is_next & (is_equal | (back > counts)[:, None])

    is_next = tf.while_loop(has_more, compare, (1, is_inside))[1]
    starts = columns - counts[:, None]
    kinds = tf.gather(spans.places, tf.maximum(starts, 0), batch_dims=1)
    return is_next & (starts >= 0) & (kinds == START)


def _held(logits, token_ids, is_counted):
    vocab_size = tf.shape(logits)[-1]
    counts = tf.raw_ops.DenseBincount(
        # Ids beyond the vocabulary are not counted.
        input=tf.where(is_counted, token_ids, vocab_size),
        size=vocab_size,
        weights=tf.constant([], tf.float32),
    )
    return counts > 0


def _flags(tokens, holds):
    return tf.constant([bool(token) and holds(token) for token in tokens])


def _is_apart(byte):
    """Says whether a character that begins so needs no border before it."""
    if byte < 0x80:
        return not chr(byte).isalnum()
    return byte >= 0xE0  # three bytes or four: beyond the alphabets


def _ends_apart(token):
    """Says whether no word goes on behind a token."""
    return token[-1] < 0x80 and not chr(token[-1]).isalnum()
