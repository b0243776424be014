"""Rows that have not ended come in, each as one string of bytes out, and back.

A row's string holds all that it needs to go on, cut to its own length, so that
rows of different clients and lengths meet in a batch:

    "gpt_keras.state.1:" tag ":" checksum ":"         ASCII
    `RowHeader`                                       int32
    cache, position by position
    tokens of context and completion                  int32
    details of the tokens that were not sent yet      int32
    stop texts, banned texts
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.cache_rows import from_rows
from gpt_keras.generation.cache_rows import row_features
from gpt_keras.generation.cache_rows import to_rows
from gpt_keras.generation.columns import cut_columns
from gpt_keras.generation.decoding_state import Context
from gpt_keras.generation.decoding_state import Written
from gpt_keras.generation.row_errors import no_errors
from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.sampling import TOP_TOKENS
from gpt_keras.generation.text_completion import CompletionState
from gpt_keras.generation.text_pieces import Piece
from gpt_keras.serving.fingerprint import TAG_BYTES
from gpt_keras.serving.fingerprint import Fingerprint
from gpt_keras.serving.keyed_checksum import CHECKSUM_BYTES
from gpt_keras.serving.keyed_checksum import checksum
from gpt_keras.serving.raw_strings import as_bytes
from gpt_keras.serving.raw_strings import read_numbers
from gpt_keras.serving.raw_strings import to_raw_string
from gpt_keras.serving.row_header import HEADER_BYTES
from gpt_keras.serving.row_header import RowHeader
from gpt_keras.serving.row_header import are_possible
from gpt_keras.serving.row_header import make_header
from gpt_keras.serving.row_header import to_settings

_MAGIC = "gpt_keras.state.1:"
_TAG_END = len(_MAGIC) + TAG_BYTES + 1
_BODY = _TAG_END + CHECKSUM_BYTES + 1  # where the header begins
_LEAST = _BODY + HEADER_BYTES
_BLANK = b"\0" * _LEAST
_GIVEN = "`state_bytes` must be what `prefill` or `step`"
_UNCHANGED = f"{_GIVEN} gave, unchanged"


class Resumed(NamedTuple):
    """Rows that go on; one with an error has written nothing.

    Attributes:
        context: `Context`.
        written: `Written`.
        cache: Of all tokens of each row's window but the last.
        settings: `GenerationSettings`.
        errors: `(batch,)` strings.
    """

    context: Any
    written: Any
    cache: Any
    settings: Any
    errors: Any


class RowStates:
    """Turns rows into strings and back.

    Args:
        model: Has `max_length` and `make_cache`.
        tokenizer: Has `vocab_size` and `end_of_text_id`.
        fingerprint: Of the export: strings of another are refused.
        window_lengths: `Decoder.window_lengths`.
    """

    def __init__(
        self, model, tokenizer, fingerprint: Fingerprint, window_lengths
    ):
        self._max_length = model.max_length
        self._template = model.make_cache(1, 1)
        self._vocab_size = tokenizer.vocab_size
        self._end_of_text_id = tokenizer.end_of_text_id
        self.fingerprint = fingerprint
        self._window_lengths = window_lengths
        self.held_size = 1 + 2 * min(TOP_TOKENS, tokenizer.vocab_size)

    def write(self, state: CompletionState, piece: Piece):
        """Returns each row's string, `(batch,)`, empty where it has ended."""
        decoding, settings = state.decoding, state.settings
        header = make_header(decoding, settings, piece)
        numbers = self._write_numbers(header, decoding, piece.is_running)
        body = tf.strings.join([numbers, settings.stop, settings.banned])
        mark = checksum(body, self.fingerprint.key)
        prefix = f"{_MAGIC}{self.fingerprint.tag}:"
        whole = tf.strings.join([prefix, mark, ":", body])
        return tf.where(piece.is_running, whole, "")

    def read(self, strings) -> Resumed:
        """Returns the rows of strings, each judged for itself.

        Args:
            strings: `(batch,)`, of `write`.
        """
        received = tf.strings.as_string(tf.strings.length(strings)) + " bytes"
        errors = self._judge(strings, received)
        # From here on, a row with an error has a header of zeros, no parts.
        strings = tf.where(errors == "", strings, _BLANK)
        sizes = tf.strings.length(strings)
        fields = tf.strings.substr(strings, _BODY, HEADER_BYTES)
        fields = tf.io.decode_raw(fields, tf.int32, fixed_length=HEADER_BYTES)
        header = RowHeader(*tf.unstack(fields, axis=1))
        is_valid = are_possible(header, sizes, self._max_length)
        header = _only(header, is_valid)
        counts = self._part_counts(header)
        ends = tf.cumsum(tf.cast(counts, tf.int64) * self._item_sizes(), 1)
        ends += _LEAST
        is_valid &= ends[:, -1] == tf.cast(sizes, tf.int64)
        header = _only(header, is_valid)
        counts = tf.where(is_valid[:, None], counts, 0)
        ends = tf.where(is_valid[:, None], tf.cast(ends, tf.int32), _LEAST)
        return self._resumed(
            _Parts(strings, counts, ends), header, errors, is_valid, received
        )

    def _resumed(self, parts, header, errors, is_valid, received):
        tokens = parts.numbers(1, 1, tf.int32)
        is_token = tf.sequence_mask(parts.counts[:, 1], tf.shape(tokens)[1])
        is_known = (tokens >= 0) & (tokens < self._vocab_size)
        is_valid &= tf.reduce_all(is_known | ~is_token, -1)
        errors = tf.where(
            errors == "",
            with_error(errors, is_valid, _UNCHANGED, received),
            errors,
        )
        header = _only(header, is_valid)
        lengths = tf.maximum(header.context_length, 1)
        tokens = tf.where(
            is_token & is_valid[:, None], tokens, self._end_of_text_id
        )
        held = parts.numbers(2, self.held_size, tf.int32)
        held = tf.reshape(held, [tf.shape(held)[0], -1, self.held_size])
        return Resumed(
            context=Context(tokens, lengths, header.prompt_length),
            written=Written(
                token_ids=cut_columns(
                    tokens,
                    header.context_length,
                    header.count,
                    self._end_of_text_id,
                ),
                lengths=header.count,
                sent_bytes=header.sent_bytes,
                sent_tokens=header.sent_tokens,
                held=held,
            ),
            cache=self._cache(parts),
            settings=to_settings(header, parts.texts(3), parts.texts(4)),
            errors=errors,
        )

    def _cache(self, parts):
        dtype, features = row_features(self._template)
        rows = parts.numbers(0, features, dtype)
        rows = tf.reshape(rows, [tf.shape(rows)[0], -1, features])
        return from_rows(self._template, rows, parts.counts[:, 0])

    def _judge(self, strings, received):
        """Returns of each row what is wrong with its string as a whole."""
        sizes = tf.strings.length(strings)
        is_ours = tf.strings.substr(strings, 0, len(_MAGIC)) == _MAGIC
        is_ours &= sizes >= _LEAST
        strings = tf.where(is_ours, strings, _BLANK)
        tags = tf.strings.substr(strings, len(_MAGIC), TAG_BYTES)
        marks = tf.strings.substr(strings, _TAG_END, CHECKSUM_BYTES)
        body = tf.strings.substr(
            strings, tf.fill(tf.shape(sizes), _BODY), sizes
        )
        is_whole = marks == checksum(body, self.fingerprint.key)
        errors = with_error(no_errors(strings), is_whole, _UNCHANGED, received)
        tag = self.fingerprint.tag
        rule = f"{_GIVEN} of the same model, {tag},"
        errors = with_error(errors, tags == tag, f"{rule} gave", tags)
        return with_error(errors, is_ours, f"{_GIVEN} gave", received)

    def _write_numbers(self, header, decoding, is_running):
        """Returns the bytes of each row's numbers, `(batch,)` strings."""
        fields = tf.stack(header, 1)
        rows = to_rows(decoding.cache)
        bits = decoding.details.to_bits()
        positions, tokens, held = tf.unstack(
            self._part_counts(header)[:, :3], axis=1
        )

        def write(row):
            parts = (
                fields[row],
                rows[row, : positions[row]],
                decoding.token_ids[row, : tokens[row]],
                bits[row, tokens[row] - held[row] : tokens[row]],
            )
            return to_raw_string(tf.concat([*map(as_bytes, parts)], 0))

        return tf.map_fn(
            lambda row: tf.cond(
                is_running[row], lambda: write(row), lambda: ""
            ),
            tf.range(tf.shape(fields)[0]),
            fn_output_signature=tf.TensorSpec([], tf.string),
        )

    def _part_counts(self, header):
        """Returns how many items each part has, `(batch, 5)` int32."""
        tokens = header.context_length + header.count
        window = self._window_lengths(header.context_length, header.count)
        return tf.stack(
            [
                tf.maximum(window - 1, 0),  # what the cache holds
                tokens,
                header.count - header.sent_tokens,
                header.stop_bytes,
                header.banned_bytes,
            ],
            1,
        )

    def _item_sizes(self):
        """Returns how many bytes an item of each part has, int64."""
        dtype, features = row_features(self._template)
        sizes = [features * dtype.size, 4, self.held_size * 4, 1, 1]
        return tf.constant(sizes, tf.int64)


class _Parts(NamedTuple):
    """Strings, how many items each part has and where it ends."""

    strings: Any
    counts: Any
    ends: Any

    def _starts(self, part):
        if part == 0:
            return tf.fill(tf.shape(self.ends)[:1], _LEAST)
        return self.ends[:, part - 1]

    def numbers(self, part, size, dtype):
        """Reads a part of items of `size` numbers, right-padded."""
        counts = self.counts[:, part] * size
        return read_numbers(
            self.strings, self._starts(part), counts, dtype, size
        )

    def texts(self, part):
        """Reads a part of bytes."""
        return tf.strings.substr(
            self.strings, self._starts(part), self.counts[:, part]
        )


def _only(header, is_valid):
    fields = [tf.where(is_valid, field, 0) for field in header]
    return RowHeader(*fields)
