"""Keras' layer and RMS normalisation, which keep little for their gradients.

Stock Keras leaves the gradients to what its formula consists of, so that two
float32 copies of the input are kept. Here the input is kept as it came, with
a mean and a scale for each position.
"""

import keras
from keras import ops

from gpt_keras.layers.recomputation import after


@keras.saving.register_keras_serializable(package="gpt_keras")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the last axis.

    Args:
        **kwargs: As there, without `axis` and `rms_scaling`.

    Reference:
        Ba et al. 2016, Layer Normalization.
    """

    def call(self, inputs):
        outputs = _normalize(
            inputs, self.gamma, self.beta, self.epsilon, is_centered=True
        )
        return ops.cast(outputs, self.compute_dtype)


@keras.saving.register_keras_serializable(package="gpt_keras")
class RMSNormalization(keras.layers.RMSNormalization):
    """`keras.layers.RMSNormalization` over the last axis.

    Args:
        **kwargs: As there, without `axis`.

    Reference:
        Zhang & Sennrich 2019, Root Mean Square Layer Normalization.
    """

    def call(self, x):
        return _normalize(x, self.scale, None, self.epsilon, is_centered=False)


def _normalize(x, scale, bias, epsilon: float, is_centered: bool):
    """Returns what is normalised, in the dtype of `x`.

    It is computed in float32 at least.

    Args:
        x: `(..., features)`.
        scale: `(features,)`.
        bias: `(features,)` or None.
        epsilon: Added to the mean square.
        is_centered: Whether the mean is subtracted before.
    """
    low = x.dtype
    high = keras.backend.result_type(low, "float32")

    def spread(x):
        x = ops.cast(x, high)
        mean = ops.mean(x, -1, keepdims=True) if is_centered else None
        x = x if mean is None else x - mean
        square = ops.mean(ops.square(x), -1, keepdims=True)
        return x, mean, ops.rsqrt(square + epsilon)

    @ops.custom_gradient
    def normalized(x, scale, *bias):
        centered, mean, inverse = spread(x)
        outputs = centered * inverse * scale
        if bias:
            outputs = outputs + bias[0]

        def gradients(*upstreams, upstream=None):
            (upstream,) = upstreams or (upstream,)
            (again,) = after(upstream, [x])
            again = ops.cast(again, high)
            unit = (again if mean is None else again - mean) * inverse
            upstream = ops.cast(upstream, high)
            to_unit = upstream * scale
            to_x = unit * ops.mean(to_unit * unit, -1, keepdims=True)
            if is_centered:
                to_x = to_x + ops.mean(to_unit, -1, keepdims=True)
            to_x = (to_unit - to_x) * inverse
            axes = tuple(range(len(x.shape) - 1))
            to_scale = ops.sum(upstream * unit, axes)
            of_bias = [ops.sum(upstream, axes)] if bias else []
            return (ops.cast(to_x, low), to_scale, *of_bias)

        return ops.cast(outputs, low), gradients

    parameters = [scale] if bias is None else [scale, bias]
    return normalized(x, *[ops.cast(p, high) for p in parameters])
