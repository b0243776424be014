"""A text's sorted places and byte strings come in, where they stand comes out.

The places are sorted by the bytes that follow them, so that those where one
string stands are neighbours: a range, found by binary search.
"""

import tensorflow as tf

_BASE = 257  # an end and 256 bytes
_CHUNK = 7  # so many fit into an int64


def pack(texts):
    """Puts the bytes that follow each place into one number.

    Args:
        texts: `(…, length)` int32 bytes, -1 at an end.

    Returns:
        `(…, length)` int64, ordered like the bytes.
    """
    length = tf.shape(texts)[-1]
    edges = [[0, 0]] * (texts.ndim - 1)
    values = tf.pad(tf.cast(texts, tf.int64) + 1, [*edges, [0, _CHUNK]])
    packed = tf.zeros_like(texts, tf.int64)
    for index in range(_CHUNK):
        packed = packed * _BASE + values[..., index : index + length]
    return packed


def first_bytes(packed):
    """Returns the byte that each number begins with, int32, -1 at an end."""
    return tf.cast(packed // _BASE ** (_CHUNK - 1), tf.int32) - 1


def find_ranges(packed, places, strings, rests):
    """Finds where the rests of strings stand.

    Args:
        packed: `(length,)` int64, a text, see `pack`.
        places: `(place_count,)` int32, sorted by the bytes that follow them
            in the text.
        strings: `(count, width)` int32 bytes, padded with -1.
        rests: `(rest_count, 2)` int32, a string and where in it the rest
            begins.

    Returns:
        Two tensors `(rest_count,)` int32: the first of the places where the
        rest stands, and the one after the last. Equal where there is none.
    """
    sizes = tf.reduce_sum(tf.cast(strings >= 0, tf.int32), -1)
    sizes = tf.gather(sizes, rests[:, 0]) - rests[:, 1]
    sought = tf.pad(pack(strings), [[0, 0], [0, _CHUNK]])
    powers = tf.constant([_BASE**n for n in range(_CHUNK)], tf.int64)
    low = tf.zeros_like(sizes)
    high = tf.where(sizes > 0, tf.size(places), 0)

    def is_open(depth, low, high):
        return (depth < sizes) & (low < high)

    def body(depth, low, high):
        rows, offsets = rests[:, 0], rests[:, 1] + depth
        offsets = tf.minimum(offsets, tf.shape(sought)[1] - 1)
        chunk = tf.gather_nd(sought, tf.stack([rows, offsets], 1))
        # What follows the rest may be anything.
        free = tf.clip_by_value(depth + _CHUNK - sizes, 0, _CHUNK - 1)
        after = chunk + tf.gather(powers, free)
        edges = _first_not_below(
            packed, places + depth, low, high, tf.stack([chunk, after])
        )
        narrowed = is_open(depth, low, high)
        return (
            depth + _CHUNK,
            tf.where(narrowed, edges[0], low),
            tf.where(narrowed, edges[1], high),
        )

    return tf.while_loop(
        lambda *state: tf.reduce_any(is_open(*state)),
        body,
        (tf.constant(0), low, high),
    )[1:]


def _first_not_below(packed, places, low, high, targets):
    """Returns the first in each range whose number is not below a target.

    `low` and `high` are `(count,)`, the targets and what comes out
    `(2, count)`.
    """

    def body(low, high):
        middle = (low + high) // 2
        place = tf.gather(places, tf.minimum(middle, tf.size(places) - 1))
        found = tf.gather(packed, tf.minimum(place, tf.size(packed) - 1))
        is_below = (found < targets) & (low < high)
        return (
            tf.where(is_below, middle + 1, low),
            tf.where(is_below, high, middle),
        )

    return tf.while_loop(
        lambda low, high: tf.reduce_any(low < high),
        body,
        (tf.stack([low, low]), tf.stack([high, high])),
    )[0]
