"""Tests of `gpt_keras.training.adamw`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.training.adamw import MatrixAdamW

OPTIONS = dict(
    learning_rate=0.1, weight_decay=0.5, beta_2=0.99, global_clipnorm=1.0
)


def _variables():
    rng = np.random.default_rng(0)
    return [
        keras.Variable(rng.normal(size=shape).astype("float32"))
        for shape in [(4, 6), (6,), (2, 3, 4), ()]
    ]


def _steps(optimizer, variables, count=3):
    rng = np.random.default_rng(1)
    for _ in range(count):
        gradients = [rng.normal(size=v.shape) for v in variables]
        optimizer.apply(
            [keras.ops.convert_to_tensor(g, "float32") for g in gradients],
            variables,
        )
    return [np.array(variable) for variable in variables]


def _again(optimizer):
    return keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))


def _stock(variables, **more):
    optimizer = keras.optimizers.AdamW(**OPTIONS, **more)
    optimizer.exclude_from_weight_decay(
        var_list=[v for v in variables if len(v.shape) < 2]
    )
    return optimizer


def _assert_same(ours, theirs):
    """Equal but for rounding: TensorFlow's op orders its operations anew."""
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_its_steps_are_those_of_stock_adamw(amsgrad):
    ours, theirs = _variables(), _variables()
    _steps(MatrixAdamW(**OPTIONS, amsgrad=amsgrad), ours)
    _steps(_stock(theirs, amsgrad=amsgrad), theirs)
    _assert_same(ours, theirs)


def test_vectors_do_not_decay_after_loading_either():
    expected = _steps(MatrixAdamW(**OPTIONS), _variables())
    again = _again(MatrixAdamW(**OPTIONS))
    assert isinstance(again, MatrixAdamW)
    for one, other in zip(expected, _steps(again, _variables()), strict=True):
        np.testing.assert_array_equal(one, other)
    # Why there is a class of our own: the stock optimizer forgets.
    variables = _variables()
    stock = _steps(_again(_stock(variables)), variables)
    _assert_same(stock[:1], expected[:1])
    assert abs(stock[1] - expected[1]).max() > 0.01


def test_no_weight_decay_can_be_had():
    ours, theirs = _variables(), _variables()
    _steps(_again(MatrixAdamW(**{**OPTIONS, "weight_decay": 0.0})), ours)
    options = {k: v for k, v in OPTIONS.items() if k != "weight_decay"}
    _steps(keras.optimizers.Adam(**options), theirs)
    _assert_same(ours, theirs)


@pytest.mark.parametrize("times", [1, 2])
def test_building_again_changes_nothing(times):
    optimizer, variables = MatrixAdamW(**OPTIONS), _variables()
    for _ in range(times):
        optimizer.build(variables)
    assert len(optimizer.variables) == 2 + 2 * len(variables)


@pytest.mark.parametrize("in_graph", [False, True])
def test_a_clipped_step_leaves_nothing_behind(in_graph):
    variables, expected = _variables(), _variables()
    optimizer = MatrixAdamW(**OPTIONS)
    optimizer.build(variables)
    take = optimizer.apply
    if in_graph:
        take = tf.function(lambda grads: optimizer.apply(grads, variables))
    gradients = [keras.ops.ones(v.shape) * 3 for v in variables]
    take(gradients) if in_graph else take(gradients, variables)
    stock = _stock(expected)
    stock.apply(gradients, expected)
    _assert_same(map(np.array, variables), map(np.array, expected))
    # Nor does a step by hand, afterwards, know of the norm.
    optimizer.update_step(gradients[1], variables[1], 0.1)
    stock.update_step(gradients[1], expected[1], 0.1)
    _assert_same([np.array(variables[1])], [np.array(expected[1])])


def test_sparse_gradients_are_clipped_too():
    ours, theirs = _variables()[:1], _variables()[:1]
    gradient = tf.IndexedSlices(
        tf.ones((2, 6)) * 3, tf.constant([0, 2]), tf.constant([4, 6])
    )
    MatrixAdamW(**OPTIONS).apply([gradient], ours)
    _stock(theirs).apply([tf.convert_to_tensor(gradient)], theirs)
    _assert_same(map(np.array, ours), map(np.array, theirs))
