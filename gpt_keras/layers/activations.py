"""The activations of the feed-forward layers, by name."""

import math

from keras import ops

from gpt_keras.layers.recomputation import after

_SLOPE = math.sqrt(2 / math.pi)
_CUBE = 0.044715


@ops.custom_gradient
def gelu(x):
    """Returns 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).

    Only `x` is kept for the gradient, where stock Keras keeps five tensors as
    large.

    Args:
        x: Of any shape and float dtype.

    Reference:
        Hendrycks & Gimpel 2016, Gaussian Error Linear Units; the form that
        GPT-2 was trained with.
    """

    def gradient(*upstreams, upstream=None):
        (upstream,) = upstreams or (upstream,)
        (again,) = after(upstream, [x])
        square = again * again
        bent = ops.tanh(again * (_SLOPE + _SLOPE * _CUBE * square))
        slope = 0.5 * again * (_SLOPE + 3 * _SLOPE * _CUBE * square)
        slope = slope * (1 - bent * bent) + 0.5 * (1 + bent)
        return upstream * slope

    bent = ops.tanh(x * (_SLOPE + _SLOPE * _CUBE * x * x))
    return 0.5 * x * (1 + bent), gradient


ACTIVATIONS = {
    "relu": ops.relu,
    "gelu": gelu,
    "relu_squared": lambda x: ops.square(ops.relu(x)),  # So et al. 2021
}
