"""Tests of `gpt_keras.layers.kv_cache`."""

import numpy as np

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
