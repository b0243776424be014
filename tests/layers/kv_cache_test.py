"""Tests of `gpt_keras.layers.kv_cache`."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.layers.dynamic_steps import dynamic_steps
from gpt_keras.layers.kv_cache import empty_cache
from gpt_keras.layers.kv_cache import extend_cache


def _vectors(seed, length):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, 3, length, 4)).astype("float32")


def test_positions_land_behind_each_rows_own():
    cache = empty_cache(2, 3, 8, 4, "float32")
    assert cache.max_length == 8
    first, second = _vectors(0, 3), _vectors(1, 2)
    mask = np.array([[1, 0, 0], [1, 1, 1]], "bool")
    cache = extend_cache(cache, first, first * 2, mask)
    cache = extend_cache(cache, second, second * 2)
    np.testing.assert_array_equal(cache.lengths, [3, 5])
    keys, values = np.array(cache.keys), np.array(cache.values)
    np.testing.assert_array_equal(keys[0, :, :1], first[0, :, :1])
    np.testing.assert_array_equal(keys[0, :, 1:3], second[0])
    np.testing.assert_array_equal(keys[1, :, :3], first[1])
    np.testing.assert_array_equal(keys[1, :, 3:5], second[1])
    np.testing.assert_array_equal(values[1, :, 3:5], second[1] * 2)


def test_the_cache_that_went_in_is_not_changed():
    cache = empty_cache(2, 3, 8, 4, "float32")
    extend_cache(cache, _vectors(0, 3), _vectors(1, 3))
    assert not np.array(cache.keys).any()
    np.testing.assert_array_equal(cache.lengths, [0, 0])


def test_sixteen_bit_caches_stay_so():
    cache = empty_cache(2, 3, 8, 4, "bfloat16")
    cache = extend_cache(cache, _vectors(0, 3), _vectors(1, 3))
    assert cache.keys.dtype == "bfloat16"


def _dynamic(cache, keys, values, mask):
    with dynamic_steps():
        return extend_cache(cache, keys, values, mask)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "filled, written",
    [
        ([3, 3], [2, 2]),
        ([3, 3], [1, 2]),
        ([3, 4], [2, 2]),
        ([2, 5], [0, 1]),  # a row that has ended, and one that goes on
        ([5, 2], [0, 1]),  # it has to be left alone where the other one is
        ([3, 3], [0, 0]),
        ([0, 0], [2, 1]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dynamic_steps_write_the_same(dtype, filled, written, compiled):
    before, new = _vectors(0, 5), _vectors(1, 2)
    cache = empty_cache(2, 3, 8, 4, dtype)
    is_token = np.arange(5) < np.array(filled)[:, None]
    cache = extend_cache(cache, before, before * 2, is_token)
    mask = np.arange(2) < np.array(written)[:, None]
    old = [np.array(x) for x in cache[:3]]
    extend = tf.function(_dynamic, autograph=False) if compiled else _dynamic
    found = extend(cache, new, new * 2, mask)
    expected = extend_cache(cache, new, new * 2, mask)
    np.testing.assert_array_equal(found.lengths, expected.lengths)
    for row, length in enumerate(expected.lengths):
        for one, other in zip(found[:2], expected[:2], strict=True):
            np.testing.assert_array_equal(
                one[row, :, :length], other[row, :, :length]
            )
    for one, other in zip(cache[:3], old, strict=True):
        np.testing.assert_array_equal(one, other)


def test_dynamic_steps_have_an_op_that_writes_in_place():
    cache, new = empty_cache(2, 3, 8, 4, "float32"), _vectors(1, 2)
    functions = tf.function(_dynamic, autograph=False).get_concrete_function(
        cache, new, new, np.ones((2, 2), "bool")
    )
    library = functions.graph.as_graph_def().library.function
    names = {node.op for function in library for node in function.node_def}
    assert {"TensorStridedSliceUpdate", "TensorScatterUpdate"} <= names
