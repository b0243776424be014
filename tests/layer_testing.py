"""What every layer of the project must hold, in one function."""

import keras
import numpy as np
import tensorflow as tf


def run_layer_test(layer_class, config, inputs, **call_arguments):
    """Checks shape, configuration, saving, gradients and 16-bit compute.

    Args:
        layer_class: The layer to test.
        config: Its constructor arguments.
        inputs: Array `(batch, length, d_model)`.
        **call_arguments: Given to every call.

    Returns:
        The layer and its outputs.
    """
    keras.utils.set_random_seed(0)
    layer = layer_class(**config)
    outputs = np.array(layer(inputs, **call_arguments))
    assert layer.compute_output_shape(inputs.shape) == outputs.shape
    assert np.isfinite(outputs).all()
    _check_configuration(layer_class, layer, config, inputs, call_arguments)
    _check_functional(layer, inputs, outputs)
    _check_gradients(layer, inputs, call_arguments)
    _check_16_bits(layer_class, config, inputs, outputs, call_arguments)
    return layer, outputs


def _check_configuration(layer_class, layer, config, inputs, call_arguments):
    again = layer_class.from_config(layer.get_config())
    for name, value in config.items():
        assert layer.get_config()[name] == value
    assert again.get_config() == layer.get_config()
    again(inputs, **call_arguments)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(
        again(inputs, **call_arguments), layer(inputs, **call_arguments)
    )


def _check_functional(layer, inputs, outputs):
    symbol = keras.Input((None, *inputs.shape[2:]))
    model = keras.Model(symbol, layer(symbol))
    assert model.predict(inputs, verbose=0).shape == outputs.shape


def _check_gradients(layer, inputs, call_arguments):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(inputs, **call_arguments)))
    gradients = tape.gradient(loss, layer.trainable_weights)
    for variable, gradient in zip(
        layer.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, variable.path


def _check_16_bits(layer_class, config, inputs, outputs, call_arguments):
    keras.utils.set_random_seed(0)
    half = layer_class(**config, dtype="mixed_bfloat16")
    half_outputs = half(inputs, **call_arguments)
    assert keras.backend.standardize_dtype(half_outputs.dtype) == "bfloat16"
    assert all(weight.dtype == "float32" for weight in half.weights)
    np.testing.assert_allclose(
        np.array(keras.ops.cast(half_outputs, "float32")),
        outputs,
        atol=0.05 * np.abs(outputs).max(),
    )
