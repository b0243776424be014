"""Tests of `gpt_keras.layers.dropout`."""

import numpy as np
import pytest
from layer_testing import run_layer_test

from gpt_keras.layers.dropout import Dropout


def test_is_a_keras_layer():
    inputs = np.ones((2, 3, 4), "float32")
    _, outputs = run_layer_test(Dropout, {"rate": 0.5, "seed": 3}, inputs)
    np.testing.assert_array_equal(outputs, inputs)


def test_drops_its_share_and_scales_the_rest():
    outputs = np.array(
        Dropout(0.25, seed=1)(np.ones((100, 100)), training=True)
    )
    assert abs((outputs == 0).mean() - 0.25) < 0.02
    np.testing.assert_allclose(outputs[outputs > 0], 1 / 0.75, rtol=1e-6)


def test_every_call_draws_anew_and_a_seed_repeats():
    x = np.ones((10, 10), "float32")
    one, two = Dropout(0.5, seed=1), Dropout(0.5, seed=1)
    first = np.array(one(x, training=True))
    np.testing.assert_array_equal(first, two(x, training=True))
    assert (first != np.array(one(x, training=True))).any()


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_bad_rates_are_named(rate):
    with pytest.raises(ValueError, match=f"rate={rate}"):
        Dropout(rate)
