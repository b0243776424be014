"""Tests of `gpt_keras.training.model_flops`."""

import pytest
import tensorflow as tf

from gpt_keras.layers.lora import enable_lora
from gpt_keras.model import GPTModel
from gpt_keras.training.loss import weighted_token_losses
from gpt_keras.training.model_flops import training_flops_per_token


@pytest.mark.parametrize(
    ("length", "options"),
    [
        (16, {}),
        (5, {}),
        (16, {"tie_embeddings": True, "position": "learned"}),
        (16, {"use_bias": False, "norm": "rms", "activation": "gelu"}),
        (9, {"position": "rotary", "qk_norm": True, "num_layers": 3}),
        (16, {"norm_order": "post", "num_heads": 1, "dff": 7}),
    ],
)
def test_counts_the_matrix_products_of_a_training_step(length, options):
    sizes = {"num_heads": 4, "dff": 24, "num_layers": 2} | options
    model = GPTModel(50, 16, max_length=16, rate=0.0, **sizes)
    model.build((None, 16))
    counted = _flops_of_a_step(model, batch=3, length=length)
    counted -= _made_again(model, batch=3, length=length)
    assert counted == 3 * length * training_flops_per_token(model, length)


@pytest.mark.parametrize("options", [{}, {"tie_embeddings": True}])
def test_adapters_take_less(options):
    model = GPTModel(50, 16, 4, 24, 16, rate=0.0, num_layers=2, **options)
    model.build((None, 16))
    enable_lora(model, 3)
    # Nobody needs the gradient of the first block's inputs, whose norm and
    # embeddings are frozen; the formula doesn't know.
    spared = 2 * 16 * 3 * 16 + 2 * 16 * 3
    counted = _flops_of_a_step(model, batch=3, length=16)
    counted -= _made_again(model, batch=3, length=16)
    assert counted == 3 * 16 * (training_flops_per_token(model, 16) - spared)


def test_padding_does_not_count():
    model = GPTModel(50, 16, 4, 24, 16, num_layers=2)
    padded = GPTModel(50, 16, 4, 24, 16, num_layers=2, vocab_multiple=64)
    for each in (model, padded):
        each.build((None, 16))
    assert training_flops_per_token(model, 16) == training_flops_per_token(
        padded, 16
    )


def _made_again(model, batch, length):
    """Returns the products of queries and keys for the gradients.

    They are work of the device, and not the model's.
    """
    return model.num_layers * 2 * batch * length**2 * model.d_model


def _flops_of_a_step(model, batch, length):
    """Traces loss and gradients, and adds up their matrix products."""

    @tf.function(autograph=False)
    def step(tokens):
        with tf.GradientTape() as tape:
            losses, _ = weighted_token_losses(
                model(tokens, training=True), tokens
            )
            loss = tf.reduce_sum(losses)
        return tape.gradient(loss, model.trainable_variables)

    spec = tf.TensorSpec((batch, length), tf.int32)
    graph = step.get_concrete_function(spec).graph
    return sum(
        _flops_of_a_product(operation)
        for operation in _needed(graph.outputs)
        if "MatMul" in operation.type or "Einsum" in operation.type
    )


def _needed(outputs):
    """Returns the operations that are run for some outputs."""
    found, ahead = set(), [tensor.op for tensor in outputs]
    while ahead:
        operation = ahead.pop()
        if operation not in found:
            found.add(operation)
            ahead += [tensor.op for tensor in operation.inputs]
    return found


def _flops_of_a_product(operation):
    assert operation.type in ("MatMul", "BatchMatMulV2"), operation.type
    adjoint = "transpose_a" if operation.type == "MatMul" else "adj_x"
    inner = -2 if operation.get_attr(adjoint) else -1
    elements = operation.outputs[0].shape.num_elements()
    return 2 * elements * operation.inputs[0].shape[inner]
