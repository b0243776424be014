"""Rows of different lengths come in, parts of them side by side go out."""

import tensorflow as tf


def cut_columns(values, starts, counts, padding):
    """Returns `counts` columns of each row from `starts` on, right-padded.

    Args:
        values: `(batch, length, …)`.
        starts: `(batch,)` int32.
        counts: `(batch,)` int32; a row has as many columns behind its start.
        padding: What stands behind them.

    Returns:
        `(batch, max(counts), …)`, of at least one column.
    """
    values = _with_padding(values, padding)
    offsets = _offsets(counts)
    columns = tf.where(
        offsets < counts[:, None],
        starts[:, None] + offsets,
        tf.shape(values)[1] - 1,
    )
    return tf.gather(values, columns, batch_dims=1)


def join_columns(first, first_counts, second, second_counts, padding):
    """Puts the columns of two tensors behind each other in every row.

    Args:
        first: `(batch, length, …)`.
        first_counts: `(batch,)` int32, how many of its columns count.
        second: `(batch, other_length, …)`, of the same type.
        second_counts: `(batch,)` int32.
        padding: What stands behind both.

    Returns:
        `(batch, max(first_counts + second_counts), …)`, of at least one
        column.
    """
    values = tf.concat([first, _with_padding(second, padding)], 1)
    counts = first_counts + second_counts
    offsets = _offsets(counts)
    shift = (tf.shape(first)[1] - first_counts)[:, None]
    columns = tf.where(
        offsets < first_counts[:, None], offsets, offsets + shift
    )
    columns = tf.where(
        offsets < counts[:, None], columns, tf.shape(values)[1] - 1
    )
    return tf.gather(values, columns, batch_dims=1)


def _with_padding(values, padding):
    rest = [[0, 0]] * (values.ndim - 2)
    return tf.pad(values, [[0, 0], [0, 1], *rest], constant_values=padding)


def _offsets(counts):
    return tf.range(tf.maximum(tf.reduce_max(counts), 1))[None]
