"""Tests of `gpt_keras.training.callbacks`."""

import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.training.callbacks import Samples
from gpt_keras.training.callbacks import Saving
from gpt_keras.training.callbacks import Telemetry
from gpt_keras.training.callbacks import Validation
from gpt_keras.training.run_log import RunLog
from gpt_keras.training.run_log import read_metrics


class FakeCheckpoint:
    def __init__(self):
        self.saved = []

    def save(self, step, seconds):
        self.saved.append(step)


def _fit(steps, *callbacks):
    keras.utils.set_random_seed(0)
    model = GPTModel(20, 8, 2, 16, 4, num_layers=1)
    model.build((None, None))
    model.compile("adam")
    ids = np.random.default_rng(0).integers(0, 20, (2 * steps, 4))
    data = tf.data.Dataset.from_tensor_slices((ids, ids)).batch(2)
    model.fit(data, verbose=0, shuffle=False, callbacks=list(callbacks))
    return model


def test_telemetry_logs_means_and_speed(tmp_path):
    (tmp_path / "each").mkdir()
    each = RunLog(tmp_path / "each", 0)
    _fit(5, Telemetry(each, 10, 1, 8, 15))
    one, two, three, four, five = [
        line["loss"] for line in read_metrics(tmp_path / "each")
    ]
    _fit(5, Telemetry(RunLog(tmp_path, 0), 10, 2, 8, 15, seconds=100.0))
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == [12, 14, 15]
    expected = [(one + two) / 2, (three + four) / 2, five]
    np.testing.assert_allclose([x["loss"] for x in lines], expected, rtol=1e-6)
    assert all(x["tokens_per_second"] > 0 for x in lines)
    assert all(x["seconds"] > 100 for x in lines)
    assert all(np.isclose(x["learning_rate"], 0.001) for x in lines)
    assert list((tmp_path / "logs").glob("events*"))


def test_validation_and_samples_come_when_due(tmp_path):
    log = RunLog(tmp_path, 0)
    ids = np.random.default_rng(1).integers(0, 20, (2, 4))
    data = tf.data.Dataset.from_tensors((ids, ids))
    sampled = []

    def sample(model):
        sampled.append(model.count_params())
        return "text"

    model = _fit(5, Validation(log, 3, 3, data, 8), Samples(log, 3, 2, sample))
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == [6, 8]
    loss = model.evaluate(data, verbose=0)
    np.testing.assert_allclose(lines[-1]["val_loss"], loss, rtol=1e-6)
    assert len(sampled) == 3  # after 4, 6 and 8 steps


def test_saves_when_due_and_at_the_end():
    checkpoint = FakeCheckpoint()
    _fit(5, Saving(checkpoint, 2, 2, 7, lambda: 0.0))
    assert checkpoint.saved == [4, 6, 7]
    checkpoint = FakeCheckpoint()
    _fit(3, Saving(checkpoint, 0, 0, 3, lambda: 0.0))
    assert checkpoint.saved == [3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(number):
    checkpoint = FakeCheckpoint()
    before = signal.getsignal(number)

    def send(batch, logs=None):
        if batch == 2:
            os.kill(os.getpid(), number)

    saving = Saving(checkpoint, 0, 0, 50, lambda: 0.0)
    signals = keras.callbacks.LambdaCallback(on_train_batch_end=send)
    _fit(50, signals, saving)
    assert saving.stopped_by == number
    assert len(checkpoint.saved) == 1 and 3 <= checkpoint.saved[0] <= 4
    assert signal.getsignal(number) == before
