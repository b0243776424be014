"""Tests of `gpt_keras.training.execution`."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.training.execution import Execution
from gpt_keras.training.execution import python_clock


class Steps(keras.callbacks.Callback):
    """Collects the optimizer's step at the end of each execution."""

    def __init__(self, last_step):
        super().__init__()
        self.last_step = last_step
        self.ends, self.losses = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(int(self.model.optimizer.iterations.numpy()))
        self.losses.append(float(logs["loss"]))
        assert float(logs["data_seconds"]) >= 0
        assert float(logs["gradient_norm"]) > 0
        self.model.reset_metrics()
        if self.ends[-1] == self.last_step:
            self.model.stop_training = True


def _fit(*arguments, first_step=0, **options):
    keras.utils.set_random_seed(0)
    model = GPTModel(20, 8, 2, 16, 4, 0.2, num_layers=1)
    model.build((None, None))
    model.compile(keras.optimizers.Adam(0.01))
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(first_step)
    options = {"seconds": 1e3, **options}  # a slow machine is no matter
    model.train_function = Execution(model, 20, *arguments, **options)
    ids = np.random.default_rng(0).integers(0, 20, (2 * (20 - first_step), 4))
    data = tf.data.Dataset.from_tensor_slices((ids, ids)).batch(2)
    steps = Steps(20)
    model.fit(data, verbose=0, shuffle=False, callbacks=[steps])
    return model, steps


def test_ends_where_python_has_something_to_do():
    _, steps = _fit((6, 10, 0), at=(7,), most=128)
    assert steps.ends == [6, 7, 10, 12, 18, 20]
    _, steps = _fit((6,), most=4, first_step=3)
    assert steps.ends == [6, 10, 12, 16, 18, 20]


def test_how_steps_are_grouped_changes_no_bit():
    single, one = _fit(most=1)
    several, many = _fit((3,), most=128)
    assert one.ends == list(range(1, 21)) and many.ends[:2] == [3, 6]
    np.testing.assert_allclose(
        many.losses[0], np.mean(one.losses[:3]), rtol=1e-6
    )
    for value, expected in zip(
        several.variables, single.variables, strict=True
    ):
        np.testing.assert_array_equal(value.numpy(), expected.numpy())


def test_it_is_keras_own_step():
    keras.utils.set_random_seed(0)
    stock = GPTModel(20, 8, 2, 16, 4, 0.2, num_layers=1)
    stock.compile(keras.optimizers.Adam(0.01))
    ids = np.random.default_rng(0).integers(0, 20, (40, 4))
    stock.fit(ids, ids, batch_size=2, verbose=0, shuffle=False)
    model, _ = _fit(most=128)
    for value, expected in zip(model.weights, stock.weights, strict=True):
        np.testing.assert_allclose(
            value.numpy(), expected.numpy(), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("clock", [tf.timestamp, python_clock])
def test_no_step_begins_after_the_time(clock):
    _, steps = _fit(most=128, seconds=0.0, clock=clock)
    assert steps.ends == list(range(1, 21))


@pytest.mark.parametrize("clock", [tf.timestamp, python_clock])
def test_a_clock_goes_on_in_a_graph(clock):
    @tf.function(autograph=False)
    def ask():
        begin = clock()
        with tf.control_dependencies([begin]):
            tf.numpy_function(lambda: time.sleep(0.05), [], [])
        return begin, clock()

    begin, end = ask()
    assert 0.04 < float(end - begin) < 5
