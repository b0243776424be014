"""A row's numbers and settings come in, what its string begins with goes out,
and back.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.decoding_state import DecodingState
from gpt_keras.generation.settings import MAX_JOINED_BYTES
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.text_pieces import Piece

_COUNTS = ("max_new_tokens", "top_k", "no_repeat_ngram")
_NUMBERS = (
    "temperature",
    "top_p",
    "min_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
)


class RowHeader(NamedTuple):
    """What a row's string says first, each `(batch,)` int32.

    A setting that is a float32 is there by its bits.
    """

    context_length: Any
    count: Any  # tokens written
    prompt_length: Any
    sent_bytes: Any
    sent_tokens: Any
    is_rolling: Any
    seed_low: Any
    seed_high: Any
    max_new_tokens: Any
    top_k: Any
    no_repeat_ngram: Any
    temperature: Any
    top_p: Any
    min_p: Any
    repetition_penalty: Any
    frequency_penalty: Any
    presence_penalty: Any
    stop_bytes: Any
    banned_bytes: Any


HEADER_BYTES = 4 * len(RowHeader._fields)


def make_header(
    decoding: DecodingState, settings: GenerationSettings, piece: Piece
) -> RowHeader:
    """Returns the headers of rows that have given a piece."""
    seeds = tf.bitcast(decoding.seeds, tf.int32)
    bits = {x: tf.bitcast(getattr(settings, x), tf.int32) for x in _NUMBERS}
    return RowHeader(
        context_length=decoding.context_lengths,
        count=decoding.lengths - decoding.context_lengths,
        prompt_length=decoding.prompt_lengths,
        sent_bytes=piece.sent_bytes,
        sent_tokens=piece.sent_tokens,
        is_rolling=tf.cast(decoding.is_rolling, tf.int32),
        seed_low=seeds[:, 0],
        seed_high=seeds[:, 1],
        **{name: getattr(settings, name) for name in _COUNTS},
        **bits,
        stop_bytes=tf.strings.length(settings.stop),
        banned_bytes=tf.strings.length(settings.banned),
    )


def are_possible(header: RowHeader, sizes, max_length: int):
    """Says which headers a row that goes on can have, `(batch,)` boolean.

    The settings are judged elsewhere, by their own rules.

    Args:
        header: As it came: any integers.
        sizes: `(batch,)` int32, the bytes of each row's string.
        max_length: The model's.
    """
    kept = tf.clip_by_value(header.prompt_length, 1, max_length - 1)
    # So that no sum of them is too large for an int32.
    is_counted = (header.count > 0) & (header.count <= sizes)
    is_counted &= header.count < header.max_new_tokens
    count = tf.where(is_counted, header.count, 0)
    is_rolling = header.is_rolling == 1
    is_full = header.context_length + count >= max_length
    return (
        is_counted
        & (header.prompt_length >= 0)
        & (header.context_length == kept)
        & (is_rolling | (header.is_rolling == 0))
        & (is_rolling | ~is_full)
        & (header.sent_bytes >= 0)
        & (header.sent_tokens >= 0)
        & (header.sent_tokens <= header.count)
        & (header.stop_bytes >= 0)
        & (header.stop_bytes <= MAX_JOINED_BYTES)
        & (header.banned_bytes >= 0)
        & (header.banned_bytes <= MAX_JOINED_BYTES)
    )


def to_settings(header: RowHeader, stop, banned) -> GenerationSettings:
    """Returns the settings of rows, their texts `(batch,)` beside."""
    seeds = tf.stack([header.seed_low, header.seed_high], 1)
    return GenerationSettings(
        **{name: getattr(header, name) for name in _COUNTS},
        **{x: tf.bitcast(getattr(header, x), tf.float32) for x in _NUMBERS},
        seed=tf.bitcast(seeds, tf.int64),
        stop=stop,
        banned=banned,
        overflow=tf.where(header.is_rolling == 1, "roll", "stop"),
    )
