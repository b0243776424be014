"""A model's cache comes in, each row's positions one after the other go out,
and back.
"""

import tensorflow as tf

_POSITIONS = 2  # the axis, in what has heads and features around it


def with_positions(cache, size):
    """Returns a cache with room for `size` positions, the new ones zero.

    Args:
        cache: A nested structure whose tensors of rank 4 are `(batch,
            num_heads, positions, head_dim)`, of at most `size` positions.
        size: A scalar.
    """

    def widen(values):
        if values.shape.rank <= _POSITIONS:
            return values
        missing = size - tf.shape(values)[_POSITIONS]
        return tf.pad(values, [[0, 0], [0, 0], [0, missing], [0, 0]])

    return tf.nest.map_structure(widen, cache)


def with_lengths(cache, is_changed, lengths):
    """Returns a cache in which other numbers of positions are filled.

    Args:
        cache: A `KVCache`, or a tuple of them, one for each block.
        is_changed: `(batch,)` boolean, in which rows.
        lengths: `(batch,)` int32, how many then.
    """
    if not hasattr(cache, "lengths"):
        return tuple(with_lengths(x, is_changed, lengths) for x in cache)
    return cache._replace(lengths=tf.where(is_changed, lengths, cache.lengths))


def to_rows(cache):
    """Returns what a cache holds of each position.

    Args:
        cache: As for `with_positions`, with one type of numbers.

    Returns:
        `(batch, positions, features)`, the features those of all tensors one
        after the other.
    """
    features = []
    for values in tf.nest.flatten(cache):
        if values.shape.rank > _POSITIONS:
            values = tf.transpose(values, [0, 2, 1, 3])
            batch, positions = tf.unstack(tf.shape(values)[:2])
            size = values.shape[2] * values.shape[3]
            features.append(tf.reshape(values, [batch, positions, size]))
    return tf.concat(features, -1)


def from_rows(template, rows, lengths):
    """Returns the cache that `to_rows` was given.

    Args:
        template: A cache of the model's, with any batch and positions: a
            `KVCache` for each block.
        rows: `(batch, positions, features)`.
        lengths: `(batch,)` int32, the positions of each row that are filled.

    Returns:
        A cache of as many positions. What it holds of a row is one document,
        as text gives no separator but the one that a row may begin with.
    """
    batch, positions, _ = tf.unstack(tf.shape(rows))
    start = 0

    def take(values):
        nonlocal start
        heads, size = values.shape[1], values.shape[3]
        part = rows[..., start : start + heads * size]
        start += heads * size
        part = tf.reshape(part, [batch, positions, heads, size])
        return tf.transpose(part, [0, 2, 1, 3])

    return tuple(
        block._replace(
            keys=take(block.keys),
            values=take(block.values),
            lengths=lengths,
            document_starts=tf.nest.map_structure(
                lambda _: tf.zeros_like(lengths), block.document_starts
            ),
        )
        for block in template
    )


def row_features(template):
    """Returns the type of a cache's numbers and how many a position has."""
    tensors = [
        values
        for values in tf.nest.flatten(template)
        if values.shape.rank > _POSITIONS
    ]
    count = sum(values.shape[1] * values.shape[3] for values in tensors)
    return tensors[0].dtype, count
