"""Numbers come in, the same bytes as strings go out, and back.

Of TensorFlow's operations only one writes numbers as raw bytes, with a few
others in front of them, which are taken off.
"""

import tensorflow as tf


def to_raw_string(values):
    """Returns the bytes of a tensor, a scalar string."""
    values = as_bytes(values)
    written = tf.io.serialize_tensor(values)
    size = tf.size(values)
    return tf.strings.substr(written, tf.strings.length(written) - size, size)


def as_bytes(values):
    """Returns the bytes of numbers, `(size,)` uint8."""
    return tf.reshape(tf.bitcast(values, tf.uint8), [-1])


def read_numbers(strings, starts, counts, dtype, least: int = 1):
    """Reads numbers out of the middle of strings.

    Args:
        strings: `(batch,)`.
        starts: `(batch,)` int32, where they begin, in bytes.
        counts: `(batch,)` int32, how many each row has.
        dtype: Their type.
        least: The fewest columns that come out.

    Returns:
        `(batch, max(counts))`, right-padded with zeros.
    """
    size = dtype.size
    raw = tf.strings.substr(strings, starts, counts * size)
    width = tf.maximum(tf.reduce_max(counts), least)
    return tf.io.decode_raw(raw, dtype, fixed_length=width * size)
