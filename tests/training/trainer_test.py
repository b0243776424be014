"""Tests of `gpt_keras.training.trainer`."""

import dataclasses
import os
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.config import TrainConfig
from gpt_keras.layers.lora import base_weights
from gpt_keras.layers.lora import merged
from gpt_keras.training.adapter_file import load_adapters
from gpt_keras.training.callbacks import SkippedTooOften
from gpt_keras.training.checkpoint import latest_step
from gpt_keras.training.model_folder import load_model
from gpt_keras.training.run_log import logged
from gpt_keras.training.run_log import read_metrics
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
    peak_teraflops=1.0,  # else each start measures it, for a second
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
        dataclasses.replace(CONFIG, peak_teraflops=0.0),  # is measured
        validation_batches=_batches(0, 2),
        sample=lambda model: texts.append(model) or "text",
    )
    assert finished and texts == [model, model]
    lines = read_metrics(tmp_path)
    losses = {x["step"]: x["loss"] for x in lines if "loss" in x}
    assert list(losses) == [2, 4, 6, 8, 10, 12]
    assert losses[12] < losses[2]
    key = "model_flops_utilization"
    assert all(x[key] > 0 for x in lines if key in x)
    assert any(key in x for x in lines)
    assert [x["step"] for x in lines if "val_loss" in x] == [5, 10, 12]
    loaded = load_model(tmp_path)
    for value, expected in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(value.numpy(), expected.numpy())


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "ema_decay": 0.9,
            "microbatches": 2,
            "optimizer": "muon",
            "schedule": "trapezoid",
            "remat": True,
            "chunk_tokens": 5,
        },
        {"dtype": "mixed_float16", "spike_window": 4, "jit_compile": True},
    ],
    ids=["plain", "everything", "float16"],
)
def test_goes_on_where_it_was_killed(tmp_path, settings):
    config = dataclasses.replace(CONFIG, **settings)
    whole, _ = _train(tmp_path / "whole", config)

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
        _train(folder, config, batches=killed)
    assert max(x["step"] for x in read_metrics(folder)) == 6
    starts = []

    def batches(first_step, num_steps):
        starts.append((first_step, num_steps))
        return _batches(first_step, num_steps)

    again, finished = _train(folder, config, batches=batches)
    assert finished and starts == [(4, 8)]
    for value, expected in zip(_state(again), _state(whole), strict=True):
        np.testing.assert_array_equal(value, expected)

    def without_time(lines):
        return [(x["step"], x.get("loss")) for x in lines]

    assert without_time(read_metrics(folder)) == without_time(
        read_metrics(tmp_path / "whole")
    )


@pytest.mark.parametrize("step", [10, 12])
def test_stopped_amid_a_validation_it_makes_up_for_it(tmp_path, step):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    config = dataclasses.replace(CONFIG, log_every=4, ema_decay=0.9)
    expected, _ = _train(whole, config, validation_batches=_batches(0, 3))
    count = 0

    def send():
        nonlocal count
        count += 1
        if count == 3 * [5, 10, 12].index(step) + 2:  # in the second of 3
            os.kill(os.getpid(), signal.SIGTERM)

    def watched(*batch):
        with tf.control_dependencies([tf.py_function(send, [], [])]):
            return tuple(tf.identity(tensor) for tensor in batch)

    data = _batches(0, 3).map(watched)
    _, finished = _train(stopped, config, validation_batches=data)
    assert not finished and latest_step(stopped / "checkpoints") == step
    assert step not in logged(stopped, "val_loss", step)
    model, finished = _train(stopped, config, validation_batches=_batches(0, 3))
    assert finished
    for value, other in zip(_state(model), _state(expected), strict=True):
        np.testing.assert_array_equal(value, other)
    for name in ("loss", "val_loss"):
        assert logged(stopped, name, 12) == logged(whole, name, 12)
    found, expected = (load_model(x, best=True) for x in (stopped, whole))
    for value, other in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(value.numpy(), other.numpy())


def _state(model):
    """Returns all that steers a run."""
    variables = [*model.variables, *model.optimizer.variables]
    return [v.numpy() for v in (*variables, *model.step_state.variables)]


def test_a_run_grows_and_is_as_long_as_a_long_one(tmp_path):
    config = dataclasses.replace(
        CONFIG, schedule="trapezoid", decay_steps=4, steps=8, ema_decay=0.9
    )
    with pytest.raises(tf.errors.OpError):
        _train(tmp_path / "grown", config, lambda first, count: _ending(4))
    longer = dataclasses.replace(config, steps=12)
    grown, _ = _train(tmp_path / "grown", longer)
    long, _ = _train(tmp_path / "long", longer)
    for value, expected in zip(_state(grown), _state(long), strict=True):
        np.testing.assert_array_equal(value, expected)
    with pytest.raises(ValueError, match="steps: 12 there, 16 now"):
        _train(tmp_path / "grown", dataclasses.replace(config, steps=16))


def _ending(steps):
    """Batches that end in an error after some steps."""

    def fail(*batch):
        def stop():
            raise Killed

        with tf.control_dependencies([tf.py_function(stop, [], [])]):
            return [tf.identity(tensor) for tensor in batch]

    return _batches(0, steps).concatenate(
        _batches(steps, 1).map(lambda *batch: tuple(fail(*batch)))
    )


def test_too_many_bad_steps_stop_the_run(tmp_path):
    def batches(first_step, num_steps):
        def spoil(step, batch):
            ids, labels, weight = batch
            bad = (step >= 5) & (step < 9)  # steps 6 to 9
            return ids, labels, tf.where(bad, np.inf, weight)

        steps = tf.data.Dataset.range(first_step, first_step + num_steps)
        data = tf.data.Dataset.zip(steps, _batches(first_step, num_steps))
        return data.map(spoil)

    config = dataclasses.replace(CONFIG, max_skipped=2, log_every=1)
    with pytest.raises(SkippedTooOften) as error:
        _train(tmp_path, config, batches)
    text = str(error.value)
    assert "step 8: loss" in text and "checkpoint of step 4" in text
    ids = np.load(tmp_path / "skipped_step_8.npy")
    np.testing.assert_array_equal(ids, next(iter(_batches(7, 1)))[0])
    assert repr(str(tmp_path / "skipped_step_8.npy")) in text
    skipped = [x for x in read_metrics(tmp_path) if "skipped_loss" in x]
    assert [x["step"] for x in skipped] == [6, 7, 8]
    model, finished = _train(
        tmp_path, dataclasses.replace(config, max_skipped=4), batches
    )
    assert finished and model.step_state.num_skipped.numpy() == 4
    assert all(np.isfinite(value).all() for value in _state(model)[:-2])


def test_keeps_the_weights_of_the_lowest_validation_loss(tmp_path):
    config = dataclasses.replace(
        CONFIG, learning_rate=5.0, min_learning_rate=5.0, validate_every=2
    )
    _train(tmp_path, config, validation_batches=_batches(0, 2))
    losses = {
        x["step"]: x["val_loss"]
        for x in read_metrics(tmp_path)
        if "val_loss" in x
    }
    best_step = min(losses, key=losses.get)
    best = load_model(tmp_path, best=True)
    best.compile()
    loss = best.evaluate(_batches(0, 2), verbose=0)
    np.testing.assert_allclose(loss, losses[best_step], rtol=1e-5)


def test_a_profile_is_traced(tmp_path):
    _train(tmp_path, dataclasses.replace(CONFIG, profile="3,5"))
    assert list((tmp_path / "logs").rglob("*.xplane.pb"))


def test_a_run_that_is_done_stays_as_it_is(tmp_path):
    model, _ = _train(tmp_path)
    again, finished = _train(tmp_path, batches=None)
    assert finished
    for value, expected in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(value.numpy(), expected.numpy())


@pytest.fixture(scope="module")
def base_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    _train(folder)
    return folder


@pytest.mark.parametrize("rate", [0.1, 0.0])
def test_begins_with_the_weights_of_another_run(tmp_path, base_dir, rate):
    model = load_model(base_dir)
    config = dataclasses.replace(
        CONFIG,
        init_from=str(base_dir),
        seed=5,
        rate=rate,
        steps=1,
        learning_rate=1e-9,
        min_learning_rate=0.0,
        ema_decay=0.9,
    )
    second, _ = _train(tmp_path / "second", config)
    averaged = load_model(tmp_path / "second")
    for values in zip(
        second.weights, averaged.weights, model.weights, strict=True
    ):
        value, average, expected = (value.numpy() for value in values)
        np.testing.assert_allclose(value, expected, atol=1e-6)
        np.testing.assert_allclose(average, expected, atol=1e-6)


def _adapting(base_dir, **settings):
    return dataclasses.replace(
        CONFIG, init_from=str(base_dir), lora_rank=4, seed=5, **settings
    )


def test_adapters_go_on_where_they_were_killed(tmp_path, base_dir):
    """Though the weights that they began with are there no more."""
    moved = tmp_path / "moved"
    shutil.copytree(base_dir, moved)
    config = _adapting(moved, ema_decay=0.9)
    whole, _ = _train(tmp_path / "whole", config)
    folder = tmp_path / "killed"
    for stop in (2, 6):  # before the first checkpoint, and after
        with pytest.raises(tf.errors.OpError):
            _train(folder, config, lambda first, count, n=stop: _ending(n))
        shutil.rmtree(moved, ignore_errors=True)
    again, finished = _train(folder, config)
    assert finished
    for value, expected in zip(_state(again), _state(whole), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_only_adapters_are_trained_and_saved(tmp_path, base_dir):
    config = _adapting(base_dir, lora_alpha=8.0)
    model, _ = _train(tmp_path, config, validation_batches=_batches(0, 2))
    base = load_model(base_dir)
    for weight, value in zip(base_weights(model), base.weights, strict=True):
        np.testing.assert_array_equal(weight, value)
    ids = np.arange(16).reshape(2, 8)
    logits = np.array(model(ids))
    assert np.abs(logits - base(ids)).max() > 0.01
    apart = load_model(tmp_path, merge=False)
    np.testing.assert_array_equal(apart(ids), logits)
    np.testing.assert_allclose(load_model(tmp_path)(ids), logits, atol=1e-5)
    load_model(tmp_path, best=True)
    kernel = list(base.blocks[0].expand.kernel.shape)
    for name in ("checkpoints", "checkpoints/best"):
        path = tf.train.latest_checkpoint(tmp_path / name)
        shapes = [shape for _, shape in tf.train.list_variables(path)]
        assert kernel not in shapes and [16, 4] in shapes
    (tmp_path / "adapters.npz").unlink()  # as if killed before
    _train(tmp_path, config, batches=None)
    load_adapters(base, tmp_path / "adapters.npz")
    np.testing.assert_array_equal(base(ids), logits)


def test_adapters_begin_on_merged_adapters(tmp_path, base_dir):
    first, _ = _train(tmp_path / "first", _adapting(base_dir))
    config = _adapting(tmp_path / "first", steps=1, warmup_steps=0)
    second, _ = _train(tmp_path / "second", config)
    expected = merged(first).weights
    for weight, value in zip(base_weights(second), expected, strict=True):
        np.testing.assert_array_equal(weight, value)
    plain = dataclasses.replace(config, lora_rank=0)
    _train(tmp_path / "third", plain)


def test_adapters_without_their_base_are_told(tmp_path, base_dir):
    config = _adapting(base_dir)
    _train(tmp_path, config)
    shutil.rmtree(tmp_path / "checkpoints/base")
    for read in (load_model, lambda folder: _train(folder, config)):
        with pytest.raises(FileNotFoundError, match="base.*isn't whole"):
            read(tmp_path)


def test_a_mistaken_beginning_is_no_claim(tmp_path):
    nowhere = dataclasses.replace(CONFIG, init_from=str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="is no model folder"):
        _train(tmp_path / "run", nowhere)
    _train(tmp_path / "run", dataclasses.replace(CONFIG, steps=1))


def test_a_batch_must_spread_over_the_devices(tmp_path):
    class Three:
        num_replicas_in_sync = 3

    with pytest.raises(ValueError, match="batch_size=4, devices=3"):
        _train(tmp_path, strategy=Three())
