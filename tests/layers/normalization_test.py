"""Tests of `gpt_keras.layers.normalization`, against Keras' own layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_testing import run_layer_test

from gpt_keras.layers.normalization import LayerNormalization
from gpt_keras.layers.normalization import RMSNormalization

PAIRS = [
    (LayerNormalization, keras.layers.LayerNormalization, {}),
    (LayerNormalization, keras.layers.LayerNormalization, {"center": False}),
    (RMSNormalization, keras.layers.RMSNormalization, {}),
]


def _both(layer, x, upstream):
    @tf.function(autograph=False)
    def compute(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x)
        sources = [x, *layer.trainable_variables]
        return outputs, *tape.gradient(outputs, sources, upstream)

    return [np.array(tf.cast(value, tf.float32)) for value in compute(x)]


@pytest.mark.parametrize("shape", [(7, 16), (2, 5, 16), (2, 3, 5, 16)])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.05)]
)
@pytest.mark.parametrize(("kind", "stock", "options"), PAIRS)
def test_values_and_gradients_are_those_of_keras(
    kind, stock, options, dtype, tolerance, shape
):
    rng = np.random.default_rng(0)
    layers = [x(epsilon=1e-3, dtype=dtype, **options) for x in (kind, stock)]
    inputs = rng.normal(2, 3, (2, *shape))
    low = keras.dtype_policies.get(dtype).compute_dtype
    x, upstream = (tf.cast(value, low) for value in inputs)
    values = None
    for layer in layers:
        layer.build(shape)
        values = values or [rng.normal(size=w.shape) for w in layer.weights]
        layer.set_weights(values)
    ours, theirs = (_both(layer, x, upstream) for layer in layers)
    assert len(ours) == len(theirs) == 2 + len(values)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    assert [w.name for w in layers[0].weights] == [
        w.name for w in layers[1].weights
    ]


@pytest.mark.parametrize(("kind", "_", "options"), PAIRS)
def test_is_a_keras_layer(kind, _, options):
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    run_layer_test(kind, {"epsilon": 1e-3, **options}, x)
