"""Tokens come in one by one, how much of each row's texts their bytes have
matched comes out.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.token_table import TokenTable


class Patterns(NamedTuple):
    """The texts that the rows of a batch look for, each distinct one once.

    Attributes:
        bytes: `(count, width)` int32, padded with -1.
        lengths: `(count,)` int32.
        is_member: `(batch, count)` boolean, which rows look for which.
    """

    bytes: Any
    lengths: Any
    is_member: Any


class BannedPlaces(NamedTuple):
    """Which tokens hold a row's texts, or go on with what has begun.

    Attributes:
        low: `(count, width)` int32, of the sorted tokens the first that goes
            on with pattern `p` when `k + 1` of its bytes stand.
        high: `(count, width)` int32, the one after the last.
        is_inside: `(batch, vocab_size)` boolean, tokens that hold a whole
            text.
        has_inside: A scalar, whether there is one: nobody has to look for it
            at every step.
    """

    low: Any
    high: Any
    is_inside: Any
    has_inside: Any


def parse_patterns(joined) -> Patterns:
    """Takes texts apart.

    Args:
        joined: `(batch,)` strings, texts joined by `SEPARATOR`; empty ones
            count for nothing.
    """
    texts = tf.strings.split(joined, SEPARATOR)
    rows = tf.gather(texts.value_rowids(), _filled(texts.flat_values))
    texts = tf.gather(texts.flat_values, _filled(texts.flat_values))
    distinct, number = tf.unique(texts)
    lengths = tf.strings.length(distinct)
    values = tf.io.decode_raw(tf.strings.reduce_join(distinct), tf.uint8)
    values = tf.RaggedTensor.from_row_lengths(
        tf.cast(values, tf.int32), lengths, validate=False
    )
    shape = tf.stack([tf.shape(joined)[0], tf.shape(distinct)[0]])
    pairs = tf.stack([tf.cast(rows, tf.int32), number], 1)
    counts = tf.scatter_nd(pairs, tf.ones_like(number), shape)
    return Patterns(
        bytes=values.to_tensor(-1),
        lengths=lengths,
        is_member=counts > 0,
    )


def _filled(texts):
    return tf.where(tf.strings.length(texts) > 0)[:, 0]


def no_progress(patterns: Patterns):
    """Returns the progress of rows that have read nothing.

    `(batch, count, width)` boolean: whether the text so far ends with the
    first `k + 1` bytes of a pattern.
    """
    batch_size = tf.shape(patterns.is_member)[0]
    shape = tf.concat([[batch_size], tf.shape(patterns.bytes)], 0)
    return tf.zeros(shape, bool)


def read_token(patterns: Patterns, progress, token_bytes):
    """Reads the bytes of one token in each row.

    Args:
        patterns: What is looked for.
        progress: `(batch, count, width)` boolean, so far.
        token_bytes: `(batch, size)` int32, -1 behind each token's end.

    Returns:
        The progress; `(batch,)` boolean, whether a text of the row ends
        within the token; `(batch,)` int32, where it begins, in bytes from the
        token's beginning, negative in an earlier one, 0 where there is none.
        Of several texts the one that ends first counts, and of those that end
        together the longest.

    Reference:
        Baeza-Yates and Gonnet 1992, A New Approach to Text Searching, §3.
    """
    size = tf.shape(token_bytes)[1]
    # Without patterns nothing is read, which takes no time.
    size = tf.where(tf.size(patterns.bytes) > 0, size, 0)
    batch_size = tf.shape(token_bytes)[0]
    none = tf.zeros([batch_size], tf.int32)

    def body(index, progress, is_found, start):
        byte = token_bytes[:, index]
        progress = _read_byte(patterns, progress, byte)
        ended = _longest_ended(patterns, progress)
        is_new = (ended > 0) & (byte >= 0) & ~is_found
        start = tf.where(is_new, index + 1 - ended, start)
        return index + 1, progress, is_found | is_new, start

    flat = tf.reshape(progress, [batch_size, tf.size(patterns.bytes)])
    _, flat, is_found, start = tf.while_loop(
        lambda index, *_: index < size,
        body,
        (tf.constant(0), flat, tf.cast(none, bool), none),
    )
    return tf.reshape(flat, tf.shape(progress)), is_found, start


def _read_byte(patterns, progress, byte):
    """Reads a byte, the progress as `(batch, count * width)`."""
    count, width = tf.unstack(tf.shape(patterns.bytes))
    is_first = tf.tile(tf.range(width) == 0, [count])
    before = tf.pad(progress[:, :-1], [[0, 0], [1, 0]]) | is_first
    read = before & (tf.reshape(patterns.bytes, [-1]) == byte[:, None])
    return tf.where(byte[:, None] >= 0, read, progress)


def _longest_ended(patterns, progress):
    """Returns the bytes of each row's longest text that ends here, or 0."""
    count, width = tf.unstack(tf.shape(patterns.bytes))
    last = tf.range(count) * width + patterns.lengths - 1
    is_ended = tf.gather(progress, last, axis=1) & patterns.is_member
    return tf.reduce_max(tf.where(is_ended, patterns.lengths, 0), -1)


def read_tokens(table: TokenTable, patterns: Patterns, token_ids, lengths):
    """Reads the end of a context.

    Args:
        table: Of the vocabulary.
        patterns: What is looked for.
        token_ids: `(batch, length)` int32.
        lengths: `(batch,)` int32, at least 1: the tokens of each row.

    Returns:
        The progress at its end, `(batch, count, width)` boolean.
    """
    # No text reaches back further than it has bytes.
    size = tf.shape(patterns.bytes)[1]
    read = table.last_bytes(token_ids, lengths, size)
    return read_token(patterns, no_progress(patterns), read)[0]


def find_banned(table: TokenTable, patterns: Patterns) -> BannedPlaces:
    """Looks a batch's patterns up in the vocabulary, once a request."""
    low, high = table.begin_with(patterns.bytes)
    is_inside = table.contain(patterns.bytes, patterns.is_member)
    return BannedPlaces(low, high, is_inside, tf.reduce_any(is_inside))


def may_ban(patterns: Patterns, progress, places: BannedPlaces):
    """Says whether `banned_tokens` gives any, a scalar."""
    is_begun = _begun(patterns, progress, places)
    return places.has_inside | tf.reduce_any(is_begun)


def banned_tokens(
    table: TokenTable, patterns: Patterns, progress, places: BannedPlaces
):
    """Says which tokens would complete a text of their row.

    Args:
        table: Of the vocabulary.
        patterns: The banned texts.
        progress: `(batch, count, width)` boolean.
        places: Of `find_banned`.

    Returns:
        `(batch, vocab_size)` boolean.
    """
    is_begun = _begun(patterns, progress, places)

    def go_on():
        begun = tf.where(is_begun)
        rows, rests = begun[:, 0], begun[:, 1:]
        return table.mark(
            places.is_inside,
            rows,
            tf.gather_nd(places.low, rests),
            tf.gather_nd(places.high, rests),
        )

    return tf.cond(tf.reduce_any(is_begun), go_on, lambda: places.is_inside)


def _begun(patterns, progress, places):
    """Returns what has begun and a token can end, `(batch, count, width)`."""
    is_begun = progress & patterns.is_member[:, :, None]
    return is_begun & (places.low < places.high)
