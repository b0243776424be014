"""Tests of `gpt_keras.training.trainer`."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.config import TrainConfig
from gpt_keras.training.model_folder import load_model
from gpt_keras.training.run_log import read_metrics
from gpt_keras.training.trainer import choose_strategy
from gpt_keras.training.trainer import train

CONFIG = TrainConfig(
    d_model=16,
    num_heads=2,
    dff=32,
    num_layers=1,
    max_length=8,
    rate=0.1,
    steps=12,
    batch_size=4,
    learning_rate=0.02,
    warmup_steps=2,
    log_every=2,
    validate_every=5,
    checkpoint_every=4,
    sample_every=6,
)


def _batches(first_step, num_steps):
    """Step s has the ids s, s + 1, … in every row."""

    def fetch(step):
        ids = (tf.range(9) + tf.cast(step, tf.int32)) % 20
        ids = tf.tile(ids[None], [4, 1])
        return ids[:, :-1], ids[:, 1:], tf.ones((4, 8))

    return tf.data.Dataset.range(first_step, first_step + num_steps).map(fetch)


def _train(folder, config=CONFIG, batches=_batches, **options):
    return train(
        config, folder, vocab_size=20, training_batches=batches, **options
    )


def test_trains_logs_and_saves(tmp_path):
    texts = []
    model, finished = _train(
        tmp_path,
        validation_batches=_batches(0, 2),
        sample=lambda model: texts.append(model) or "text",
    )
    assert finished and texts == [model, model]
    lines = read_metrics(tmp_path)
    losses = {x["step"]: x["loss"] for x in lines if "loss" in x}
    assert list(losses) == [2, 4, 6, 8, 10, 12]
    assert losses[12] < losses[2]
    assert [x["step"] for x in lines if "val_loss" in x] == [5, 10, 12]
    loaded = load_model(tmp_path)
    for value, expected in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(value.numpy(), expected.numpy())


class Killed(Exception):
    pass


def test_goes_on_where_it_was_killed(tmp_path):
    whole, _ = _train(tmp_path / "whole")

    def killed(first_step, num_steps):
        def stop(step, *batch):
            if step == 7:
                raise Killed

        for_ever = _batches(first_step, num_steps)
        return for_ever.take(7 - first_step).concatenate(
            for_ever.take(1).map(
                lambda *batch: tf.py_function(stop, [7], []) and batch
            )
        )

    folder = tmp_path / "killed"
    with pytest.raises(tf.errors.OpError):
        _train(folder, batches=killed)
    assert max(x["step"] for x in read_metrics(folder)) == 6
    starts = []

    def batches(first_step, num_steps):
        starts.append((first_step, num_steps))
        return _batches(first_step, num_steps)

    again, finished = _train(folder, batches=batches)
    assert finished and starts == [(4, 8)]
    for value, expected in zip(again.variables, whole.variables, strict=True):
        np.testing.assert_array_equal(value.numpy(), expected.numpy())

    def without_time(lines):
        return [(x["step"], x.get("loss")) for x in lines]

    assert without_time(read_metrics(folder)) == without_time(
        read_metrics(tmp_path / "whole")
    )


def test_a_run_that_is_done_stays_as_it_is(tmp_path):
    model, _ = _train(tmp_path)
    again, finished = _train(tmp_path, batches=None)
    assert finished
    for value, expected in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(value.numpy(), expected.numpy())


def test_begins_with_the_weights_of_another_run(tmp_path):
    model, _ = _train(tmp_path / "first")
    config = dataclasses.replace(
        CONFIG,
        init_from=str(tmp_path / "first"),
        seed=5,
        steps=1,
        learning_rate=1e-9,
        min_learning_rate=0.0,
    )
    second, _ = _train(tmp_path / "second", config)
    for value, expected in zip(second.weights, model.weights, strict=True):
        np.testing.assert_allclose(value.numpy(), expected.numpy(), atol=1e-6)


def test_a_batch_must_spread_over_the_devices(tmp_path):
    class Three:
        num_replicas_in_sync = 3

    with pytest.raises(ValueError, match="batch_size=4, devices=3"):
        _train(tmp_path, strategy=Three())


def test_devices_are_chosen_before_they_are_used():
    tf.constant(0)
    assert choose_strategy().num_replicas_in_sync == 1
    with pytest.raises(ValueError, match="logical_cpus=2"):
        choose_strategy(2)
