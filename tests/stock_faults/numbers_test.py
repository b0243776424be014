"""What stock Keras computes otherwise on one device, and this project not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from stock_faults.stock_testing import Stock
from stock_faults.stock_testing import make_batch
from stock_faults.stock_testing import make_model
from stock_faults.stock_testing import weights_of

from gpt_keras import GPTModel
from gpt_keras.training.execution import Execution
from gpt_keras.training.gradients import apply_gradients


def _data(batches, rows=2, weight=1.0):
    ids, labels = make_batch(batches * rows)
    weights = np.full(ids.shape, weight, "float32")
    data = tf.data.Dataset.from_tensor_slices((ids, labels, weights))
    return data.batch(rows)


@pytest.mark.parametrize(
    "ours, squared", [(False, 1**2 + 2**2), (True, (1 + 2) ** 2)]
)
def test_an_id_that_occurs_twice_has_one_gradient(ours, squared):
    """Adam's second moment is of the sum of its gradients."""
    variable = keras.Variable(np.ones(2, "float32"))
    slices = tf.IndexedSlices(
        tf.constant([1.0, 2.0]), tf.constant([0, 0]), tf.constant([2])
    )
    optimizer = keras.optimizers.Adam(0.1)
    if ours:
        apply_gradients(optimizer, [slices], [variable])
    else:
        optimizer.apply([slices], [variable])
    velocity = optimizer.variables[3].numpy()[0]
    np.testing.assert_allclose(velocity, 0.001 * squared, rtol=1e-5)


def _fit_on_a_bad_batch(kind):
    model = make_model(kind, keras.optimizers.SGD(0.1))
    model.fit(
        _data(1, weight=np.inf),
        verbose=0,
        callbacks=[keras.callbacks.TerminateOnNaN()],
    )
    return weights_of(model)


def test_a_nan_does_not_reach_the_weights():
    """`TerminateOnNaN` comes after it has."""
    assert np.isnan(_fit_on_a_bad_batch(Stock)).any()
    before = weights_of(make_model(GPTModel))
    np.testing.assert_array_equal(_fit_on_a_bad_batch(GPTModel), before)


def test_a_step_that_is_left_out_decays_nothing():
    """Gradients set to zero, the usual guard, still decay the weights."""
    optimizers = [keras.optimizers.AdamW(0.1, weight_decay=0.1) for _ in "12"]
    naive, ours = (keras.Variable(np.ones(2, "float32")) for _ in "12")
    for optimizer, variable in zip(optimizers, (naive, ours), strict=True):
        optimizer.apply([tf.ones(2)], [variable])
    bad = tf.constant([np.nan, 1.0])
    before = ours.numpy()
    guarded = tf.where(tf.math.is_finite(bad), tf.zeros(2), tf.zeros(2))
    optimizers[0].apply([guarded], [naive])
    apply_gradients(optimizers[1], [bad], [ours])
    assert np.abs(naive.numpy() - before).max() > 1e-3
    np.testing.assert_array_equal(ours.numpy(), before)


def test_a_schedule_counts_optimizer_steps():
    """And not the parts of a batch."""
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 10, 0.0)
    stock = make_model(
        Stock, keras.optimizers.SGD(schedule, gradient_accumulation_steps=2)
    )
    stock.fit(_data(4), verbose=0)  # two steps of two batches
    ours = make_model(GPTModel, keras.optimizers.SGD(schedule), microbatches=2)
    ours.fit(_data(2, rows=4), verbose=0)  # two steps of two parts
    for model in (stock, ours):
        assert int(model.optimizer.iterations.numpy()) == 2
    assert np.isclose(float(stock.optimizer.learning_rate), 0.06)
    assert np.isclose(float(ours.optimizer.learning_rate), 0.08)


class Calls(keras.callbacks.Callback):
    """Collects what is the number of steps, to whom reads it."""

    def __init__(self):
        super().__init__()
        self.indices, self.iterations = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.indices.append(batch + 1)
        self.iterations.append(int(self.model.optimizer.iterations.numpy()))
        if self.iterations[-1] == 10:
            self.model.stop_training = True


def test_the_steps_of_an_execution_are_counted_right():
    """4 steps in an execution, 10 batches: the last one has 2."""
    stock, calls = make_model(Stock, steps_per_execution=4), Calls()
    stock.fit(_data(10), verbose=0, callbacks=[calls])
    assert calls.indices[-1] == 12 and calls.iterations[-1] == 10
    ours, calls = make_model(GPTModel), Calls()
    ours.optimizer.build(ours.trainable_variables)
    ours.train_function = Execution(ours, 10, most=4, seconds=1e3)
    ours.fit(_data(10), verbose=0, callbacks=[calls])
    assert calls.iterations == [4, 8, 10]


def test_averages_leave_the_weights_alone():
    """A Keras optimizer puts them in the place of the weights after `fit`."""
    plain = make_model(Stock, keras.optimizers.SGD(0.1))
    stock = make_model(
        Stock, keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
    )
    ours, reference = (
        make_model(GPTModel, keras.optimizers.SGD(0.1), **options)
        for options in ({"ema_decay": 0.9}, {})
    )
    for model in (plain, stock, ours, reference):
        model.fit(_data(4), verbose=0, shuffle=False)
    assert np.abs(weights_of(stock) - weights_of(plain)).max() > 1e-4
    np.testing.assert_array_equal(weights_of(ours), weights_of(reference))


def test_a_loss_of_its_own():
    """`compile` without a loss."""
    stock = make_model(Stock, loss=None)
    with pytest.raises(ValueError, match="No loss to compute"):
        stock.fit(_data(1), verbose=0)
    history = make_model(GPTModel).fit(_data(1), verbose=0).history
    assert np.isfinite(history["loss"]).all()
