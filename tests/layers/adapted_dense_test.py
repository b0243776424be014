"""Tests of `gpt_keras.layers.adapted_dense`, against Keras' own layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_testing import run_layer_test

from gpt_keras.layers.adapted_dense import AdaptedDense

INPUTS = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")


def _layer(kind, **options):
    keras.utils.set_random_seed(0)
    layer = kind(6, **options)
    layer.build((None, None, 8))
    layer.enable_lora(3, lora_alpha=5.0)
    layer.lora_kernel_b.assign(keras.random.normal((3, 6), seed=1))
    return layer


@pytest.mark.parametrize(
    "options", [{}, {"use_bias": False}, {"activation": "relu"}]
)
def test_outputs_and_gradients_are_those_of_keras(options):
    results = []
    for kind in (AdaptedDense, keras.layers.Dense):
        layer = _layer(kind, **options)
        with tf.GradientTape() as tape:
            outputs = layer(INPUTS)
            loss = tf.reduce_sum(outputs**2)
        gradients = tape.gradient(loss, layer.trainable_weights)
        results.append([outputs, *gradients])
        assert len(gradients) == 3 - (not layer.use_bias)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)


def test_without_an_adapter_it_is_a_dense_layer():
    keras.utils.set_random_seed(0)
    layer, dense = AdaptedDense(6), keras.layers.Dense(6)
    dense.build(INPUTS.shape)
    layer.build(INPUTS.shape)
    layer.set_weights(dense.get_weights())
    np.testing.assert_array_equal(layer(INPUTS), dense(INPUTS))


def test_is_a_keras_layer():
    run_layer_test(AdaptedDense, {"units": 8}, INPUTS)
