"""Tests of `gpt_keras.layers.initializers`."""

import keras
import numpy as np

from gpt_keras.layers.initializers import fresh


def test_one_initializer_serves_many_variables():
    normal = keras.initializers.RandomNormal(stddev=0.5)
    one, two = fresh(normal)((50, 50)), fresh(normal)((50, 50))
    assert (np.array(one) != np.array(two)).any()
    assert abs(np.std(one) - 0.5) < 0.05


def test_a_callable_and_a_name_are_taken():
    assert fresh("zeros")((2,)).shape == (2,)
    ones = fresh(lambda shape, dtype=None: keras.ops.ones(shape))
    np.testing.assert_array_equal(ones((2,)), [1, 1])
