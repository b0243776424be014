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
from gpt_keras.training.callbacks import SkippedSteps
from gpt_keras.training.callbacks import SkippedTooOften
from gpt_keras.training.callbacks import Validation
from gpt_keras.training.run_log import RunLog
from gpt_keras.training.run_log import read_metrics
from gpt_keras.training.stop_signals import StopSignals
from gpt_keras.training.telemetry import Telemetry
from gpt_keras.training.telemetry import Workload


class FakeLog:
    def sync(self):
        pass


class FakeCheckpoint:
    def __init__(self):
        self.saved = []

    def save(self, step, seconds):
        self.saved.append(step)


def _fit(steps, *callbacks, done=0, **options):
    """Fits a model whose optimizer has done some steps before."""
    keras.utils.set_random_seed(0)
    model = GPTModel(20, 8, 2, 16, 4, num_layers=1)
    model.build((None, None))
    model.compile("adam", **options)
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(done)
    ids = np.random.default_rng(0).integers(0, 20, (2 * steps, 4))
    data = tf.data.Dataset.from_tensor_slices((ids, ids)).batch(2)
    model.fit(data, verbose=0, shuffle=False, callbacks=list(callbacks))
    return model


def test_telemetry_logs_means_and_speed(tmp_path):
    (tmp_path / "each").mkdir()
    each = RunLog(tmp_path / "each", 0)
    _fit(5, Telemetry(each, 1, 15, Workload(8)), done=10)
    one, two, three, four, five = [
        line["loss"] for line in read_metrics(tmp_path / "each")
    ]
    workload = Workload(8, flops_per_token=3.0, peak_flops=7.0)
    log = RunLog(tmp_path, 0)
    _fit(5, Telemetry(log, 2, 15, workload, seconds=100.0), done=10)
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == [12, 14, 15]
    expected = [(one + two) / 2, (three + four) / 2, five]
    np.testing.assert_allclose([x["loss"] for x in lines], expected, rtol=1e-6)
    for line in lines:
        assert line["seconds"] > 100 and line["gradient_norm"] > 0
        assert np.isclose(line["learning_rate"], 0.001)
        speed = line["tokens_per_second"]
        assert speed > 0
        assert np.isclose(line["model_flops_utilization"], speed * 3 / 7)
        assert 1e8 < line["peak_memory_bytes"] < 1e11
        assert line["skipped_steps"] == 0
        assert "bits_per_byte" not in line
    assert list((tmp_path / "logs").glob("events*"))


def test_bits_per_byte_are_of_the_text(tmp_path):
    log = RunLog(tmp_path, 0)
    workload = Workload(8, bytes_per_token=2.0)
    ids = np.random.default_rng(1).integers(0, 20, (2, 4))
    data = tf.data.Dataset.from_tensors((ids, ids))
    _fit(
        2, Telemetry(log, 2, 2, workload), Validation(log, 2, data, 2, workload)
    )
    train, validation = read_metrics(tmp_path)
    # A nat is 1 / ln 2 bits, and a token two bytes.
    np.testing.assert_allclose(
        train["bits_per_byte"], train["loss"] / 0.693147 / 2, rtol=1e-5
    )
    np.testing.assert_allclose(
        validation["val_bits_per_byte"],
        validation["val_loss"] / 0.693147 / 2,
        rtol=1e-5,
    )


def test_validation_and_samples_come_when_due(tmp_path):
    log = RunLog(tmp_path, 0)
    ids = np.random.default_rng(1).integers(0, 20, (2, 4))
    data = tf.data.Dataset.from_tensors((ids, ids))
    sampled, best = [], []

    def sample(model):
        sampled.append(model.count_params())
        return "text"

    model = _fit(
        5,
        Validation(log, 3, data, 8, Workload(8), lambda *x: best.append(x)),
        Samples(log, 2, sample),
        done=3,
    )
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == [6, 8]
    loss = model.evaluate(data, verbose=0)
    np.testing.assert_allclose(lines[-1]["val_loss"], loss, rtol=1e-6)
    assert best == [(line["step"], line["val_loss"]) for line in lines]
    assert len(sampled) == 3  # after 4, 6 and 8 steps


def test_validation_and_samples_see_the_averages(tmp_path):
    log = RunLog(tmp_path, 0)
    ids = np.random.default_rng(1).integers(0, 20, (2, 4))
    data = tf.data.Dataset.from_tensors((ids, ids))
    seen = []

    def sample(model):
        seen.append(model.final_layer.kernel.numpy())
        return "text"

    model = _fit(
        4,
        Validation(log, 4, data, 4, Workload(8)),
        Samples(log, 4, sample),
        ema_decay=0.9,
    )
    weights = model.final_layer.kernel.numpy()
    assert np.abs(seen[0] - weights).max() > 1e-4
    with model.averaged_weights():
        np.testing.assert_array_equal(model.final_layer.kernel.numpy(), seen[0])
        loss = keras.Model.evaluate(model, data, verbose=0)
    np.testing.assert_array_equal(model.final_layer.kernel.numpy(), weights)
    (line,) = read_metrics(tmp_path)
    np.testing.assert_allclose(line["val_loss"], loss, rtol=1e-6)


def _with_bad_steps(*steps):
    """Batches of 2 rows, some of which have a weight that is not finite."""
    ids = np.random.default_rng(0).integers(0, 20, (40, 4))
    weight = np.ones((40, 4), "float32")
    for step in steps:
        weight[2 * (step - 1)] = np.inf
    return tf.data.Dataset.from_tensor_slices((ids, ids, weight)).batch(2)


def _fit_bad(steps, *callbacks):
    model = GPTModel(20, 8, 2, 16, 4, num_layers=1)
    model.compile("adam", spike_window=8)
    model.fit(
        _with_bad_steps(*steps),
        verbose=0,
        shuffle=False,
        callbacks=list(callbacks),
    )


def test_skipped_steps_are_logged(tmp_path):
    log = RunLog(tmp_path, 0)
    _fit_bad((3, 4, 9, 15), SkippedSteps(log, 3))
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == [3, 4, 9, 15]
    assert all(line["skipped_gradient_norm"] is None for line in lines)


def test_a_mean_over_skipped_steps_alone_is_none(tmp_path):
    log = RunLog(tmp_path, 0)
    _fit_bad((3, 4, 5), Telemetry(log, 2, 20, Workload(8)))
    lines = {line["step"]: line["loss"] for line in read_metrics(tmp_path)}
    assert lines[4] is None
    assert all(lines[step] > 0 for step in (2, 6, 8, 20))


def test_too_many_skipped_steps_stop_the_run(tmp_path):
    log = RunLog(tmp_path, 0)
    explained = []

    def explain(step, text):
        explained.append(step)
        return f"{text}. More."

    with pytest.raises(SkippedTooOften, match="3 of the last 8 .* More"):
        _fit_bad((1, 9, 10, 15, 16, 17), SkippedSteps(log, 2, explain))
    assert explained == [15]


def test_saves_when_due_and_at_the_end():
    checkpoint = FakeCheckpoint()
    _fit(5, Saving(FakeLog(), checkpoint, 2, 7, lambda: 0.0), done=2)
    assert checkpoint.saved == [4, 6, 7]
    checkpoint = FakeCheckpoint()
    _fit(3, Saving(FakeLog(), checkpoint, 0, 3, lambda: 0.0))
    assert checkpoint.saved == [3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(number, tmp_path):
    checkpoint = FakeCheckpoint()

    def send(batch, logs=None):
        if batch == 2:
            os.kill(os.getpid(), number)

    log, sampled = RunLog(tmp_path, 0), []
    with StopSignals() as stop:
        _fit(
            50,
            keras.callbacks.LambdaCallback(on_train_batch_end=send),
            Saving(log, checkpoint, 0, 50, lambda: 0.0, stop),
            Samples(log, 1, lambda model: sampled.append(1) or "text", stop),
        )
    assert stop.received == number
    assert checkpoint.saved == [3]
    assert len(sampled) == 2  # the third would let the user wait


def test_a_signal_breaks_an_evaluation_off(tmp_path):
    log, best = RunLog(tmp_path, 0), []
    count = 0

    def batches():
        nonlocal count
        for count in range(1, 100):
            if count == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            ids = np.full((2, 4), 1)
            yield ids, ids

    spec = tf.TensorSpec((2, 4), tf.int64)
    data = tf.data.Dataset.from_generator(
        batches, output_signature=(spec, spec)
    )
    checkpoint = FakeCheckpoint()
    with StopSignals() as stop:
        model = _fit(
            5,
            Validation(
                log, 2, data, 5, Workload(8), lambda *x: best.append(x), stop
            ),
            Saving(log, checkpoint, 0, 5, lambda: 0.0, stop),
        )
    assert checkpoint.saved == [2] and count < 50
    assert not best and not read_metrics(tmp_path)
    again = Validation(log, 2, data.take(2), 5, Workload(8))
    again.catch_up(model, 3)  # wasn't due
    assert not read_metrics(tmp_path)
    again.catch_up(model, 2)
    (line,) = read_metrics(tmp_path)
    assert line["step"] == 2 and line["val_loss"] > 0
