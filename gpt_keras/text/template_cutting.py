"""Ids of texts that are too long in, those that fit out: on the host and
inside the graph.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def cut_row(ids: np.ndarray, room: int, keep_end: bool) -> np.ndarray:
    """Keeps the first `room` ids, or with `keep_end` the last ones."""
    first = max(len(ids) - room, 0) if keep_end else 0
    return ids[first : first + room]


def cut_rows(
    ids: tf.RaggedTensor, room: tf.Tensor, keep_end: bool
) -> tf.RaggedTensor:
    """Cuts each row as `cut_row` does.

    Args:
        ids: Ragged int32, `(rows, None)`.
        room: Int64, `()` or `(rows,)`; none where it is negative.
        keep_end: As there.
    """
    lengths = ids.row_lengths()
    kept = tf.minimum(lengths, tf.maximum(room, 0))
    first = lengths - kept if keep_end else tf.zeros_like(kept)
    return _slice_rows(ids, first, kept)


def without_oldest_turns(
    parts: Sequence[np.ndarray], room: int | None
) -> list[np.ndarray]:
    """Leaves out the oldest messages, two at a time, until the rest fits.

    Args:
        parts: Ids of a first special token, of a mark and a text for each
            message, and of a last mark.
        room: The most ids; None leaves out nothing.
    """
    parts = list(parts)
    if room is not None:
        total = sum(map(len, parts))
        while total > room and len(parts) > 4:
            total -= sum(map(len, parts[1:5]))
            del parts[1:5]
    return parts


def tokenize_turns(
    tokenizer, messages, marks: tuple[int, int], max_tokens
) -> tf.RaggedTensor:
    """Gives the ids of the messages that fit, each behind its mark.

    Args:
        tokenizer: Has `tokenize`.
        messages: Strings, `(batch,)`, or ragged, `(batch, None)`.
        marks: The ids before a message of the user and before one of the
            model.
        max_tokens: None, or integers, `()` or `(batch,)`: the most ids, with
            two more that are not of the messages.

    Returns:
        Ragged int32, `(batch, None)`.
    """
    if not isinstance(messages, tf.RaggedTensor):
        messages = tf.RaggedTensor.from_tensor(
            tf.convert_to_tensor(messages, tf.string)[:, None]
        )
    splits = messages.row_splits
    rows = messages.value_rowids()
    texts = tokenizer.tokenize(messages.flat_values)  # (messages, None)
    place = tf.ragged.range(messages.row_lengths()).flat_values
    if max_tokens is not None:
        room = tf.cast(max_tokens, tf.int64) - 2
        room = tf.broadcast_to(room, tf.shape(splits[1:]))
        texts, kept = _cut_turns(texts, splits, rows, place, room)
    else:
        kept = tf.ones_like(rows, tf.bool)
    mark = tf.where(place % 2 == 0, *marks)
    mark = tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(tf.cast(mark, tf.int32), kept),
        tf.cast(kept, tf.int64),
        validate=False,
    )
    turns = tf.concat([mark, texts], axis=1)
    return tf.RaggedTensor.from_row_splits(
        turns.flat_values, tf.gather(turns.row_splits, splits), validate=False
    )


def _cut_turns(texts, splits, rows, place, room):
    """Cuts the messages; returns them and which are kept.

    Args:
        texts: Ids of the messages, ragged, `(messages, None)`.
        splits: Where rows begin and end, `(batch + 1,)`.
        rows: The row of each message, `(messages,)`.
        place: Its place in the row, `(messages,)`.
        room: Ids of a row, `(batch,)`.
    """
    lengths = texts.row_lengths()
    before = tf.concat([[0], tf.cumsum(lengths + 1)], 0)
    # From the user's message of the pair that a message is of to the end.
    pair = tf.range(tf.size(place, tf.int64)) - place % 2
    ends = tf.gather(before, tf.gather(splits[1:], rows))
    room = tf.gather(room, rows)
    fits = ends - tf.gather(before, pair) <= room
    is_last = place == tf.gather(splits[1:] - splits[:-1], rows) - 1
    kept = fits | is_last
    most = tf.where(fits, lengths, tf.minimum(lengths, room - 1))
    most = tf.where(kept, tf.maximum(most, 0), 0)
    return _slice_rows(texts, tf.zeros_like(most), most), kept


def _slice_rows(ids, first, count) -> tf.RaggedTensor:
    """Keeps `count` ids of each row from `first` on."""
    rows = ids.value_rowids()
    place = tf.ragged.range(ids.row_lengths()).flat_values
    first = tf.gather(first, rows)
    inside = (place >= first) & (place < first + tf.gather(count, rows))
    return tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(ids.flat_values, inside), count, validate=False
    )
