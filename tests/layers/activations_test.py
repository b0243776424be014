"""Tests of `gpt_keras.layers.activations`."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.layers.activations import gelu


def _both(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.gradient(y, x)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)]
)
def test_gelu_and_its_slope_are_those_of_the_formula(dtype, tolerance):
    x = tf.constant(np.linspace(-6, 6, 1001), tf.float64)
    expected = _both(lambda x: tf.nn.gelu(x, approximate=True), x)
    found = _both(gelu, tf.cast(x, dtype))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(tf.cast(a, tf.float64), b, atol=tolerance)
