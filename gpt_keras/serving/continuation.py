"""What rows have written comes in, a short text to go on from out, and back.

The text is printable ASCII: tokens, seed and position, with a checksum over
them, the prompt and the settings, so that no other prompt goes on with them.

    1:<tag>:<seed>:<sent bytes>:<tokens>:<details of held tokens>:<checksum>
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.columns import cut_columns
from gpt_keras.generation.decoding_state import DecodingState
from gpt_keras.generation.decoding_state import Written
from gpt_keras.generation.row_errors import no_errors
from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.text_pieces import Piece
from gpt_keras.serving.fingerprint import TAG_BYTES
from gpt_keras.serving.fingerprint import Fingerprint
from gpt_keras.serving.keyed_checksum import CHECKSUM_BYTES
from gpt_keras.serving.keyed_checksum import checksum

_VERSION = "1"
_NUMBER = "-?[0-9]{1,10}"
_PATTERN = (
    f"{_VERSION}:[0-9a-f]{{{TAG_BYTES}}}"
    ":(?:[0-9]{1,18}|[0-8][0-9]{18})"  # below 2**63
    f":[0-9]{{1,9}}:[0-9]{{1,9}}(?:,[0-9]{{1,9}})*"
    f":(?:{_NUMBER}(?:,{_NUMBER})*)?:[0-9]{{{CHECKSUM_BYTES}}}"
)
_RULE = (
    "`continuation` must be empty, or what the answer before gave for the same "
    "prompt and settings"
)
_SEEDS = "9223372036854775807"


class Continued(NamedTuple):
    """What rows go on from.

    Attributes:
        written: `Written`; nothing in a row that begins.
        seeds: `(batch,)` int64, -1 in a row that begins.
        errors: `(batch,)` strings.
    """

    written: Any
    seeds: Any
    errors: Any


def write_continuation(
    prompts,
    settings: GenerationSettings,
    state: DecodingState,
    piece: Piece,
    fingerprint: Fingerprint,
):
    """Returns the text that each row goes on from, empty where it has ended.

    Args:
        prompts: Strings `(batch,)`, as they came.
        settings: Tensors `(batch,)`, as they came.
        state: Where the rows stand.
        piece: What the call gives.
        fingerprint: Of the export.
    """
    counts = state.lengths - state.context_lengths
    token_ids = cut_columns(state.token_ids, state.context_lengths, counts, 0)
    starts = state.context_lengths + piece.sent_tokens
    held = counts - piece.sent_tokens
    bits = cut_columns(state.details.to_bits(), starts, held, 0)
    size = bits.shape[-1]
    bits = tf.reshape(bits, [-1, tf.shape(bits)[1] * size])
    body = tf.strings.join(
        [
            tf.fill(tf.shape(prompts), f"{_VERSION}:{fingerprint.tag}"),
            tf.strings.as_string(state.seeds),
            tf.strings.as_string(piece.sent_bytes),
            _joined(token_ids, counts),
            _joined(bits, held * size),
        ],
        ":",
    )
    mark = _mark(body, prompts, settings, fingerprint)
    return tf.where(piece.is_running, body + ":" + mark, "")


def read_continuation(
    texts,
    prompts,
    settings: GenerationSettings,
    fingerprint: Fingerprint,
    held_size: int,
) -> Continued:
    """Returns what rows go on from.

    Args:
        texts: Strings `(batch,)`, of `write_continuation` or empty.
        prompts: Strings `(batch,)`.
        settings: Tensors `(batch,)`; the seed may be -1 still.
        fingerprint: Of the export.
        held_size: The last dimension of `Written.held`.

    Returns:
        `Continued`.
    """
    body = tf.strings.regex_replace(texts, ":[0-9]*$", "")
    mark = _mark(body, prompts, settings, fingerprint)
    is_whole = tf.strings.regex_full_match(texts, _PATTERN)
    is_whole &= texts == body + ":" + mark
    empty = f"{_VERSION}:{'0' * TAG_BYTES}:{_SEEDS}:0:0::{'0' * CHECKSUM_BYTES}"
    fields = tf.strings.split(tf.where(is_whole, texts, empty), ":")
    fields = fields.to_tensor(shape=[None, 7])
    token_ids = _numbers(fields[:, 4])
    bits = _numbers(fields[:, 5])
    counts = tf.where(is_whole, _lengths(token_ids), 0)
    held_counts = _lengths(bits) // held_size
    held = bits.to_tensor()
    rows, width = tf.unstack(tf.shape(held))
    held = tf.reshape(held, [rows, width // held_size, held_size])
    seeds = tf.strings.to_number(fields[:, 2], tf.int64)
    seeds = tf.where(is_whole, seeds, -1)
    is_same = (settings.seed == -1) | (settings.seed == seeds)
    is_valid = (is_whole & is_same) | (texts == "")
    errors = with_error(no_errors(texts), is_valid, _RULE, texts)
    written = Written(
        token_ids=token_ids.to_tensor(),
        lengths=counts,
        sent_bytes=tf.strings.to_number(fields[:, 3], tf.int32),
        sent_tokens=counts - tf.where(is_whole, held_counts, 0),
        held=held,
    )
    return Continued(written, seeds, errors)


def _mark(body, prompts, settings, fingerprint):
    """Returns the checksum of a row's text and of all that it belongs to."""
    values = settings._asdict()
    del values["seed"]  # it stands in the text
    fields = [body, prompts]
    for value in values.values():
        if value.dtype == tf.float32:
            value = tf.bitcast(value, tf.int32)
        if value.dtype != tf.string:
            value = tf.strings.as_string(value)
        fields.append(value)
    # With their lengths: no two rows have the same fields joined.
    sizes = [tf.strings.as_string(tf.strings.length(x)) for x in fields]
    return checksum(tf.strings.join([*sizes, *fields], ","), fingerprint.key)


def _joined(values, counts):
    """Joins the first `counts` integers of each row by commas."""
    columns = tf.range(tf.shape(values)[1])[None]
    texts = tf.strings.as_string(values)
    texts = tf.where(columns > 0, "," + texts, texts)
    texts = tf.where(columns < counts[:, None], texts, "")
    return tf.strings.reduce_join(texts, -1)


def _numbers(texts):
    """Returns the integers of texts that hold nothing else, ragged int32."""
    texts = tf.strings.split(tf.strings.regex_replace(texts, ",", " "))
    numbers = tf.strings.to_number(texts.flat_values, tf.int64)
    return texts.with_flat_values(tf.cast(numbers, tf.int32))


def _lengths(ragged):
    return tf.cast(ragged.row_lengths(), tf.int32)
