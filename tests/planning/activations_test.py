"""Tests of `gpt_keras.planning.activations`: against TensorFlow's own graph."""

import math

import keras
import pytest
import tensorflow as tf

from gpt_keras.config import TrainConfig
from gpt_keras.layers.decoder_block import DecoderBlock
from gpt_keras.planning.activations import block_activations
from gpt_keras.planning.architecture import architecture_of

ROWS, LENGTH = 3, 40
SIZES = {"d_model": 48, "num_heads": 4, "dff": 200}
# The same memory under another name or shape.
VIEWS = {"Reshape", "Identity", "Squeeze", "ExpandDims", "StopGradient"}


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activation": "gelu", "use_bias": False, "rate": 0.1},
        {"activation": "relu_squared", "norm": "rms", "qk_norm": True},
        {"norm_order": "post", "position": "rotary"},
    ],
)
def test_a_block_keeps_what_its_graph_says(dtype, options):
    config = TrainConfig(
        **SIZES, max_length=LENGTH, num_layers=1, dtype=dtype, **options
    )
    width = 2 if dtype == "mixed_bfloat16" else 4
    planned = block_activations(
        architecture_of(config, 50), ROWS, LENGTH, width
    )
    assert planned == pytest.approx(_kept(dtype, options), rel=0.02)


def _kept(dtype, options):
    """Adds up the forward tensors that the backward pass of a block takes."""
    options = dict(options)
    options["rotary"] = options.pop("position", "") == "rotary"
    block = DecoderBlock(**SIZES, **{"rate": 0.0, **options}, dtype=dtype)
    block.build((None, LENGTH, SIZES["d_model"]))
    of_input = tf.TensorSpec(
        (ROWS, LENGTH, SIZES["d_model"]),
        keras.dtype_policies.get(dtype).compute_dtype,
    )

    @tf.function(autograph=False)
    def backward(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.identity(block(x, training=True), name="end")
        weights = [weight.value for weight in block.trainable_weights]
        return tape.gradient(y, [x, *weights], upstream)

    graph = backward.get_concrete_function(of_input, of_input).graph
    forward = _ancestors([graph.get_operation_by_name("end")])
    needed = _ancestors([tensor.op for tensor in graph.outputs])
    kept = {
        _origin(tensor).name: _origin(tensor)
        for operation in needed - forward
        for tensor in operation.inputs
        if _origin(tensor).op in forward
    }
    return sum(
        math.prod(tensor.shape) * tensor.dtype.size
        for tensor in kept.values()
        if tensor.shape.rank and tensor.op.type not in ("ReadVariableOp",)
    )


def _ancestors(operations):
    found, ahead = set(), list(operations)
    while ahead:
        operation = ahead.pop()
        if operation not in found:
            found.add(operation)
            ahead += [tensor.op for tensor in operation.inputs]
    return found


def _origin(tensor):
    while tensor.op.type in VIEWS:
        tensor = tensor.op.inputs[0]
    return tensor
