"""Tests of `gpt_keras.layers.positional_encoding`."""

import numpy as np
import pytest
from keras import ops
from layer_testing import run_layer_test

from gpt_keras.layers.positional_encoding import PositionalEncoding
from gpt_keras.layers.positional_encoding import rotate
from gpt_keras.layers.positional_encoding import rotation
from gpt_keras.layers.positional_encoding import sinusoid


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_is_a_keras_layer(kind):
    inputs = np.random.default_rng(0).normal(size=(2, 5, 6))
    config = {"max_length": 8, "d_model": 6, "kind": kind}
    run_layer_test(PositionalEncoding, config, inputs.astype("float32"))


@pytest.mark.parametrize("d_model", [6, 7])
def test_sinusoid_equals_the_formula(d_model):
    expected = np.zeros((40, d_model))
    for position in range(40):
        for feature in range(d_model):
            pair = feature // 2 * 2
            angle = position / 10000 ** (pair / d_model)
            wave = np.cos if feature % 2 else np.sin
            expected[position, feature] = wave(angle)
    waves = sinusoid(np.arange(40), d_model)
    np.testing.assert_allclose(waves, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_start_takes_up_where_the_row_is(kind):
    layer = PositionalEncoding(16, 4, kind)
    whole = np.array(layer(np.zeros((2, 16, 4), "float32")))
    start = np.array([3, 9], "int32")
    part = layer(np.zeros((2, 5, 4), "float32"), start=start)
    np.testing.assert_allclose(part[0], whole[0, 3:8], atol=1e-6)
    np.testing.assert_allclose(part[1], whole[1, 9:14], atol=1e-6)


def test_rotation_keeps_lengths_and_depends_on_distance_only():
    query, key = np.random.default_rng(0).normal(size=(2, 1, 1, 1, 8))
    products = []
    for position in (0, 3, 40):
        there, here = (
            rotation(np.array([place]), 8) for place in (position + 5, position)
        )
        turned = rotate(ops.cast(query, "float32"), there)
        other = rotate(ops.cast(key, "float32"), here)
        products.append(float(ops.sum(turned * other)))
        np.testing.assert_allclose(
            np.linalg.norm(turned), np.linalg.norm(query), rtol=1e-5
        )
    np.testing.assert_allclose(products, products[0], rtol=1e-4)
    assert abs(products[0] - np.sum(query * key)) > 1e-3


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="kind.*Received: rotary"):
        PositionalEncoding(8, 4, "rotary")
    with pytest.raises(ValueError, match="max_length=0"):
        PositionalEncoding(0, 4)
    with pytest.raises(ValueError, match="length=9, max_length=8"):
        PositionalEncoding(8, 4)(np.zeros((1, 9, 4)))
