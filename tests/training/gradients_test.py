"""Tests of `gpt_keras.training.gradients`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.training.gradients import apply_gradients


def _variable(values=(1.0, 1.0)):
    return keras.Variable(np.array(values, "float32"))


def test_a_sparse_gradient_counts_an_id_once():
    """Adam squares the sum 1 + 2 of one id's values, not each by itself."""
    sparse, dense = _variable(), _variable()
    slices = tf.IndexedSlices(
        tf.constant([1.0, 2.0]), tf.constant([0, 0]), tf.constant([2])
    )
    for variable, gradient in (
        (sparse, slices),
        (dense, tf.constant([3.0, 0.0])),
    ):
        optimizer = keras.optimizers.Adam(0.1)
        apply_gradients(optimizer, [gradient], [variable])
        # v = (1 - beta_2) * 3² for the first id
        np.testing.assert_allclose(optimizer.variables[3][0], 0.009, rtol=1e-5)
    np.testing.assert_array_equal(sparse, dense)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("in_graph", [False, True])
def test_a_gradient_that_is_not_finite_changes_nothing(bad, in_graph):
    variable = _variable()
    optimizer = keras.optimizers.AdamW(
        0.1, weight_decay=0.1, global_clipnorm=1.0
    )
    optimizer.build([variable])

    def step(gradient):
        return apply_gradients(optimizer, [gradient], [variable])[0]

    step = tf.function(step, autograph=False) if in_graph else step
    assert step(tf.constant([1.0, 2.0]))
    before = [np.array(v) for v in (variable, *optimizer.variables)]
    assert not step(tf.constant([1.0, bad]))
    after = [np.array(v) for v in (variable, *optimizer.variables)]
    assert after.pop(1) == before.pop(1) + 1  # the step is counted
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_variables_without_a_gradient_stay():
    one, two = _variable(), _variable()
    apply_gradients(
        keras.optimizers.SGD(1.0), [None, tf.constant([1.0, 1.0])], [one, two]
    )
    np.testing.assert_array_equal(one, [1, 1])
    np.testing.assert_array_equal(two, [0, 0])


def test_loss_scaling_sees_the_overflow():
    variable = _variable()
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(1.0), initial_scale=1024.0
    )
    apply_gradients(optimizer, [tf.constant([np.inf, 1.0])], [variable])
    np.testing.assert_array_equal(variable, [1, 1])
    assert float(optimizer.dynamic_scale) == 512
    apply_gradients(optimizer, [tf.constant([512.0, 0.0])], [variable])
    np.testing.assert_array_equal(variable, [0, 1])


def test_the_norm_is_of_the_gradients_without_the_loss_scale():
    variables = [_variable(), _variable()]
    gradients = [tf.constant([3.0, 0.0]), tf.constant([0.0, 4.0])]
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=0.1)
    accepted, norm = apply_gradients(optimizer, gradients, variables)
    assert accepted and norm == 5
    scaling = keras.optimizers.LossScaleOptimizer(optimizer, 8.0)
    gradients = [8 * gradient for gradient in gradients]
    accepted, norm = apply_gradients(scaling, gradients, variables)
    assert accepted and norm == 5


def test_an_overflow_counts_as_a_step():
    """So that step, data and schedule stay together."""
    variable = _variable()
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0))
    apply_gradients(optimizer, [tf.constant([np.inf, 1.0])], [variable])
    assert int(optimizer.iterations.numpy()) == 1
