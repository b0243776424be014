"""Seeds and positions come in, random bits and numbers go out.

Integer arithmetic: the same on every device, in any batch and on the host.
"""

import numpy as np
import tensorflow as tf


def uniforms(seeds, positions):
    """Gives each row its random number for one position.

    The `positions`-th output of a SplitMix64 generator whose state is the
    first output of one seeded with `seeds`.

    Args:
        seeds: `(batch,)` int64.
        positions: `(batch,)` int32, not negative.

    Returns:
        `(batch,)` float32 in [0, 1), multiples of 2**-24.

    Reference:
        Steele, Lea and Flood 2014, Fast Splittable Pseudorandom Number
        Generators, §5.
    """
    bits = stream_bits(
        tf.bitcast(seeds, tf.uint64), tf.cast(positions, tf.uint64)
    )
    bits = tf.cast(tf.bitwise.right_shift(bits, np.uint64(40)), tf.int32)
    return tf.cast(bits, tf.float32) * 2.0**-24


def stream_bits(seeds, *indices, right_shift=tf.bitwise.right_shift):
    """Gives the bits at the end of a path through streams of streams.

    A stream is a SplitMix64 generator; its state is the output number `index`
    of the stream above it, and that of the first one the first output of a
    generator seeded with `seeds`.

    Args:
        seeds: uint64, a tensor, or with NumPy's `right_shift` an array.
        *indices: uint64 of shapes that broadcast, the output's number in the
            first stream, then in the one that this output is the state of.
        right_shift: That of TensorFlow or of NumPy.

    Returns:
        uint64 of the shapes together.
    """
    bits = _output(seeds, np.uint64(0), right_shift)
    for index in indices:
        bits = _output(bits, index, right_shift)
    return bits


def _output(state, index, right_shift):
    """Returns the output number `index` of SplitMix64."""
    x = state + (index + _ONE) * _GAMMA
    x = (x ^ right_shift(x, np.uint64(30))) * _FIRST_FACTOR
    x = (x ^ right_shift(x, np.uint64(27))) * _SECOND_FACTOR
    return x ^ right_shift(x, np.uint64(31))


_ONE = np.uint64(1)
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)
