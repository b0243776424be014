"""What rows have written so far comes in, what of it is new and final out."""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.columns import cut_columns
from gpt_keras.generation.decoding_state import Completions


class Piece(NamedTuple):
    """What a call adds to the completions.

    Attributes:
        new: `Completions` of what is new: bytes that are never cut inside of
            a character and never hold what may be a part of a stop text, and
            tokens.
        is_running: `(batch,)` boolean, whether the row goes on.
        sent_bytes: `(batch,)` int32, bytes of the completion up to here.
        sent_tokens: `(batch,)` int32, tokens of the completion up to here.
    """

    new: Any
    is_running: Any
    sent_bytes: Any
    sent_tokens: Any


def cut_piece(
    made: Completions,
    is_running,
    sent_bytes,
    sent_tokens,
    hides_tokens: bool,
    padding: int,
) -> Piece:
    """Takes off what was sent before, and what may still change.

    Args:
        made: The completions from their beginning.
        is_running: `(batch,)` boolean, whether the row goes on.
        sent_bytes: `(batch,)` int32, of the calls before.
        sent_tokens: `(batch,)` int32, of the calls before.
        hides_tokens: Whether the end of a completion may change all of it.
        padding: The id behind the tokens.

    Returns:
        `Piece`.
    """
    text = made.completions_bytes
    end, tokens = tf.strings.length(text), made.lengths
    end -= tf.where(is_running, unfinished_bytes(text), 0)
    if hides_tokens:
        end, tokens = (tf.where(is_running, 0, x) for x in (end, tokens))
    added = tf.maximum(end - sent_bytes, 0)
    counts = tf.maximum(tokens - sent_tokens, 0)
    text = tf.strings.substr(text, tf.minimum(sent_bytes, end), added)
    starts = tf.minimum(sent_tokens, tokens)
    details = tf.nest.map_structure(
        lambda values: cut_columns(values, starts, counts, 0), made.details
    )
    new = made._replace(
        completions=tf.strings.unicode_transcode(text, "UTF-8", "UTF-8"),
        completions_bytes=text,
        token_ids=cut_columns(made.token_ids, starts, counts, padding),
        lengths=counts,
        details=details,
        finish_reasons=tf.where(is_running, "", made.finish_reasons),
    )
    return Piece(new, is_running, sent_bytes + added, sent_tokens + counts)


def unfinished_bytes(texts):
    """Returns how many bytes at the end begin a character, without its end.

    Args:
        texts: Strings `(batch,)`.

    Returns:
        `(batch,)` int32, 0 to 3.
    """
    sizes = tf.strings.length(texts)
    last = tf.strings.substr("\0\0\0" + texts, sizes, 3 + 0 * sizes)
    last = tf.cast(tf.io.decode_raw(last, tf.uint8), tf.int32)
    last = tf.reshape(last, [-1, 3])
    goes_on = (last & 0xC0) == 0x80

    def begins(place, first):  # a character of more bytes than stand there
        return (last[:, place] >= first) & (last[:, place] <= 0xF4)

    three = begins(0, 0xF0) & goes_on[:, 1] & goes_on[:, 2]
    held = tf.where(three, 3, 0)
    held = tf.where(begins(1, 0xE0) & goes_on[:, 2], 2, held)
    return tf.where(begins(2, 0xC2), 1, held)
