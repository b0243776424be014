"""Tests of `gpt_keras.layers.decoder_block`."""

import keras
import numpy as np
import pytest
from layer_testing import run_layer_test

from gpt_keras.layers.activations import ACTIVATIONS
from gpt_keras.layers.decoder_block import DecoderBlock


def _inputs():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 6, 8)).astype("float32")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm_order": "post", "activation": "gelu"},
        {"norm": "rms", "use_bias": False, "activation": "relu_squared"},
        {"norm": "rms", "norm_order": "post", "rotary": True, "qk_norm": True},
    ],
)
def test_is_a_keras_layer(options):
    config = {"d_model": 8, "num_heads": 2, "dff": 16, **options}
    run_layer_test(DecoderBlock, config, _inputs())


def test_pre_norm_is_a_residual_around_each_branch():
    block = DecoderBlock(8, 2, 16)
    x = _inputs()
    block(x)
    y = x + block.attention(block.attention_norm(x))
    y = y + block.contract(
        keras.ops.relu(block.expand(block.feed_forward_norm(y)))
    )
    np.testing.assert_allclose(block(x), y, atol=1e-5)


def test_post_norm_ends_normalised():
    outputs = np.array(DecoderBlock(8, 2, 16, norm_order="post")(_inputs()))
    np.testing.assert_allclose(outputs.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(outputs.std(-1), 1, atol=1e-2)


def test_activations_equal_their_formulas():
    x = np.linspace(-4, 4, 33, dtype="float32")
    tanh = np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))
    expected = {
        "relu": np.maximum(x, 0),
        "gelu": 0.5 * x * (1 + tanh),
        "relu_squared": np.maximum(x, 0) ** 2,
    }
    assert ACTIVATIONS.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(ACTIVATIONS[name](x), values, atol=1e-5)


def test_dropout_acts_in_training_only():
    block = DecoderBlock(8, 2, 16, rate=0.5)
    x = _inputs()
    np.testing.assert_array_equal(block(x), block(x))
    assert np.abs(np.array(block(x, training=True) - block(x))).max() > 0.01


@pytest.mark.parametrize(
    "option",
    [{"activation": "tanh"}, {"norm_order": "mid"}, {"norm": "batch"}],
)
def test_bad_options_are_named(option):
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=f"`{name}`.*Received: .*{value}"):
        DecoderBlock(8, 2, 16, **option)
