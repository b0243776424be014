"""Tests of the random bits, against Python's integers and statistics."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.split_mix import stream_bits
from gpt_keras.generation.split_mix import uniforms


def split_mix(state, index):
    """SplitMix64's output number `index`, in Python's integers."""
    mask = 2**64 - 1
    x = (state + (index + 1) * 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def test_the_reference_generator_gives_the_published_numbers():
    # The first outputs for the seed 1234567 that implementations compare.
    assert [split_mix(1234567, n) for n in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_uniforms_are_split_mix_bits():
    seeds = [0, 1, -1, 2**63 - 1, -(2**63), 42, 42]
    positions = [0, 1, 2, 2**31 - 1, 5, 0, 1023]
    expected = [
        (split_mix(split_mix(seed % 2**64, 0), position) >> 40) / 2**24
        for seed, position in zip(seeds, positions, strict=True)
    ]
    actual = uniforms(
        tf.constant(seeds, tf.int64), tf.constant(positions, tf.int32)
    )
    np.testing.assert_array_equal(actual.numpy(), expected)


def test_uniforms_are_the_same_when_compiled():
    seeds = tf.range(1000, dtype=tf.int64) * 1_000_003
    positions = tf.range(1000)
    compiled = tf.function(uniforms, jit_compile=True, autograph=False)(
        seeds, positions
    )
    np.testing.assert_array_equal(compiled, uniforms(seeds, positions))


def test_streams_of_streams_are_the_same_on_the_host():
    seeds = np.array([[0], [1], [2**64 - 1]], np.uint64)
    first = np.array([[0], [7], [2**63]], np.uint64)
    second = np.arange(4, dtype=np.uint64)[None]
    expected = [
        [split_mix(split_mix(split_mix(s, 0), a), b) for b in range(4)]
        for s, a in zip(seeds[:, 0].tolist(), first[:, 0].tolist(), strict=True)
    ]
    host = stream_bits(seeds, first, second, right_shift=np.right_shift)
    assert host.tolist() == expected
    graph = tf.function(stream_bits, autograph=False)(
        *map(tf.constant, (seeds, first, second))
    )
    assert graph.numpy().tolist() == expected


def chi_squared(counts, expected):
    return float(((counts - expected) ** 2 / expected).sum())


def grid(seeds, positions):
    shape = np.broadcast_shapes(np.shape(seeds), np.shape(positions))
    seeds = np.broadcast_to(seeds, shape).astype("int64")
    positions = np.broadcast_to(positions, shape).astype("int32")
    return uniforms(tf.constant(seeds), tf.constant(positions)).numpy()


# 99 degrees of freedom: mean 99, standard deviation 14.1; p = 0.0001 at 161.
MOST = 161
COUNT = 100_000
MANY = np.arange(COUNT)


@pytest.mark.parametrize(
    "draws",
    [
        pytest.param(lambda: grid(0, MANY), id="positions"),
        pytest.param(lambda: grid(12345, MANY), id="positions of a seed"),
        pytest.param(lambda: grid(MANY, 0), id="seeds"),
        pytest.param(lambda: grid(MANY << 32, 17), id="high seeds"),
        pytest.param(lambda: grid(-MANY, MANY), id="both"),
    ],
)
def test_uniforms_are_uniform(draws):
    values = draws()
    assert values.dtype == np.float32
    assert values.min() >= 0 and values.max() < 1
    counts = np.bincount((values * 100).astype(int), minlength=100)
    assert chi_squared(counts, COUNT / 100) < MOST
    low_bits = (values * 2**24).astype(int) % 100
    counts = np.bincount(low_bits, minlength=100)
    assert chi_squared(counts, COUNT / 100) < MOST


@pytest.mark.parametrize(
    "first, second",
    [
        pytest.param((0, MANY), (0, MANY + 1), id="next position"),
        pytest.param((MANY, 0), (MANY + 1, 0), id="next seed"),
        pytest.param((MANY, 1), (MANY + 1, 0), id="both, opposite"),
        pytest.param((0, MANY), (1, MANY), id="two streams"),
        pytest.param((MANY, MANY), (MANY, MANY + 2), id="two further"),
    ],
)
def test_uniforms_are_independent(first, second):
    left, right = grid(*first), grid(*second)
    cells = (left * 10).astype(int) * 10 + (right * 10).astype(int)
    counts = np.bincount(cells, minlength=100)
    assert chi_squared(counts, COUNT / 100) < MOST
    assert abs(np.corrcoef(left, right)[0, 1]) < 4 / COUNT**0.5
