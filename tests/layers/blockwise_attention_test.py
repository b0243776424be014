"""Tests of `gpt_keras.layers.blockwise_attention`."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.layers.blockwise_attention import attend
from gpt_keras.layers.blockwise_attention import attention_weights
from gpt_keras.layers.dropout import Dropout

MODES = {
    "eager": lambda function: function,
    "graph": functools.partial(tf.function, autograph=False),
    "xla": lambda function: tf.function(
        function, jit_compile=True, autograph=False
    ),
}


def _plain(query, key, value, visible, drop=None):
    weights = attention_weights(query * query.shape[-1] ** -0.5, key, visible)
    weights = tf.cast(weights, value.dtype)
    return tf.matmul(drop(weights, 0) if drop else weights, value)


def _inputs(length, dtype="float32", masked=False):
    """Returns queries, keys, values, a gradient, and who may see whom."""
    rng = np.random.default_rng(length)
    tensors = [
        tf.cast(rng.normal(size=(2, 3, length, 4)), dtype) for _ in range(4)
    ]
    visible = np.tril(np.ones((1, 1, length, length), bool))
    if masked:  # a row of padding, and tokens with gaps between them
        visible = visible & (
            rng.random((2, 1, 1, length)) < [[[[0]]], [[[0.7]]]]
        )
    return *tensors, tf.constant(visible)


def _both(apply, mode, query, key, value, upstream, visible, drop=None):
    """Returns what comes out, and the three gradients."""

    def compute(query, key, value):
        with tf.GradientTape() as tape:
            tape.watch([query, key, value])
            outputs = apply(query, key, value, visible, drop)
        sources = [query, key, value]
        return outputs, *tape.gradient(outputs, sources, upstream)

    found = MODES[mode](compute)(query, key, value)
    return [tf.cast(x, tf.float32).numpy() for x in found]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", [1, 40, 128, 129, 300, 1100])
def test_values_and_gradients_are_those_of_all_at_once(length, masked, mode):
    *inputs, upstream, visible = _inputs(length, masked=masked)
    sees = tf.reduce_any(visible, -1, keepdims=True)
    upstream *= tf.cast(sees, tf.float32)
    found = _both(attend, mode, *inputs, upstream, visible)
    expected = _both(_plain, "eager", *inputs, upstream, visible)
    assert np.isfinite(found[0]).all()
    for outputs in (found, expected):
        outputs[0] = np.where(sees, outputs[0], 0)
    for name, a, b in zip(
        ("outputs", "query", "key", "value"), found, expected, strict=True
    ):
        np.testing.assert_allclose(a, b, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_16_bits_errors_are_of_their_size(dtype):
    inputs = _inputs(200, dtype)
    exact = _both(_plain, "eager", *_inputs(200))
    plain = _both(_plain, "eager", *inputs)
    found = _both(attend, "graph", *inputs)
    for ours, others, right in zip(found, plain, exact, strict=True):
        error = np.abs(others - right).mean()
        assert 0 < np.abs(ours - right).mean() < 1.5 * error


@pytest.mark.parametrize("length", [40, 300])
def test_gradients_drop_what_was_dropped(length):
    """A layer's gradients are those of its outputs, by finite differences."""
    query, key, value, upstream, visible = _inputs(length)
    drop = Dropout(0.4, seed=1).repeatable()
    # Of one seed: the same function at every call.
    function = functools.partial(attend, visible=visible, drop=drop)
    rng = np.random.default_rng(0)
    step = [tf.constant(rng.normal(size=x.shape), x.dtype) for x in [query] * 3]
    outputs, *gradients = _both(
        attend, "graph", query, key, value, upstream, visible, drop
    )
    again = function(query, key, value)
    np.testing.assert_allclose(again, outputs, atol=1e-6)
    for place in range(3):
        values = []
        for sign in (1, -1):
            moved = [query, key, value]
            moved[place] += sign * 1e-2 * step[place]
            values.append(tf.reduce_sum(function(*moved) * upstream))
        slope = (values[0] - values[1]) / 2e-2
        found = tf.reduce_sum(gradients[place] * step[place])
        np.testing.assert_allclose(found, slope, rtol=0.02, atol=0.2)
    # And something was dropped: the outputs are others than without.
    assert np.abs(again - attend(query, key, value, visible)).max() > 0.1


def test_a_drop_repeats_itself_and_no_other():
    keras.utils.set_random_seed(0)
    layer, ones = Dropout(0.5), tf.ones((50, 50))
    first, second = layer.repeatable(), layer.repeatable()
    masks = [first(ones, 0), first(ones, 1), second(ones, 0), second(ones, 1)]
    masks = [np.array(mask) for mask in masks]
    np.testing.assert_array_equal(masks[0], first(ones, 0))
    for index, mask in enumerate(masks):
        assert abs((mask == 0).mean() - 0.5) < 0.05
        for other in masks[:index]:  # independent
            assert abs(((mask == 0) & (other == 0)).mean() - 0.25) < 0.05
    assert Dropout(0.0).repeatable() is None


@pytest.mark.parametrize("length", [100, 600])
def test_nothing_as_large_as_the_square_of_the_length_is_kept(length):
    query, key, value, upstream, visible = _inputs(length)

    @tf.function(autograph=False)
    def backward(query, key, value, upstream):
        with tf.GradientTape() as tape:
            tape.watch([query, key, value])
            outputs = tf.identity(
                attend(query, key, value, visible), name="end"
            )
        return tape.gradient(outputs, [query, key, value], upstream)

    graph = backward.get_concrete_function(query, key, value, upstream).graph
    forward = _ancestors(graph.get_operation_by_name("end"))
    backward = {x for y in graph.outputs for x in _ancestors(y.op)} - forward
    kept = {
        tensor.ref(): math.prod(tensor.shape)
        for operation in backward
        for tensor in operation.inputs
        if tensor.op in forward and tensor.dtype != tf.bool
    }
    assert max(kept.values()) == 2 * 3 * length * 4 < length**2
    # And it is made after the gradient has come: not at once, nor only once.
    of_gradient = [x for x in backward if "Softmax" in x.type]
    assert of_gradient
    for operation in of_gradient:
        assert graph.inputs[3].op in _ancestors(operation, control=True)


def _ancestors(operation, control=False):
    found, ahead = set(), [operation]
    while ahead:
        operation = ahead.pop()
        if operation not in found:
            found.add(operation)
            ahead += [tensor.op for tensor in operation.inputs]
            ahead += operation.control_inputs if control else []
    return found
