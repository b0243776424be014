"""Tests of `gpt_keras.training.checkpoint`."""

import pathlib
import resource
import signal

import keras
import numpy as np
import pytest

from gpt_keras import GPTModel
from gpt_keras.training.checkpoint import TrainingCheckpoint
from gpt_keras.training.checkpoint import latest_step
from gpt_keras.training.checkpoint import restore_weights


def _model(seed=0, d_model=16):
    keras.utils.set_random_seed(seed)
    model = GPTModel(20, d_model, 2, 32, 8, 0.2, num_layers=1)
    model.build((None, None))
    model.compile(keras.optimizers.Adam(0.01))
    model.optimizer.build(model.trainable_variables)
    return model


def _fit(model, epochs=1):
    ids = np.random.default_rng(0).integers(0, 20, (4, 8))
    model.fit(ids, ids, epochs=epochs, shuffle=False, verbose=0)


def _state(model):
    values = [*model.variables, *model.optimizer.variables]
    return [value.numpy() for value in values]


def _damage(path: pathlib.Path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _empty(path: pathlib.Path):
    path.write_bytes(b"")


def test_goes_on_as_if_never_stopped(tmp_path):
    model = _model()
    _fit(model, epochs=2)
    TrainingCheckpoint(tmp_path, model).save(2, 1.5)
    _fit(model, epochs=2)
    other = _model(seed=1)
    checkpoint = TrainingCheckpoint(tmp_path, other)
    assert checkpoint.restore() == 2
    assert float(checkpoint.seconds.numpy()) == 1.5
    _fit(other, epochs=2)
    for value, expected in zip(_state(other), _state(model), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_keeps_the_last_ones(tmp_path):
    checkpoint = TrainingCheckpoint(tmp_path, _model(), keep=2)
    assert checkpoint.restore() == 0 and latest_step(tmp_path) is None
    for step in (5, 10, 15):
        checkpoint.save(step, 0.0)
    names = sorted(path.name for path in tmp_path.glob("*.index"))
    assert names == ["ckpt-10.index", "ckpt-15.index"]
    assert latest_step(tmp_path) == 15


@pytest.mark.parametrize("part", ["data-00000-of-00001", "index"])
@pytest.mark.parametrize("fault", [_damage, _empty, pathlib.Path.unlink])
def test_falls_back_to_the_last_whole_one(tmp_path, part, fault):
    model = _model()
    checkpoint = TrainingCheckpoint(tmp_path, model)
    checkpoint.save(1, 0.0)
    expected = _state(model)
    _fit(model)
    checkpoint.save(2, 0.0)
    fault(tmp_path / f"ckpt-2.{part}")
    warnings = []
    again = TrainingCheckpoint(tmp_path, model)
    assert again.restore(warn=warnings.append) == 1
    (warning,) = warnings
    assert "ckpt-2' can't be read" in warning
    for value, before in zip(_state(model), expected, strict=True):
        np.testing.assert_array_equal(value, before)


def test_what_a_kill_left_of_a_save_is_removed(tmp_path):
    checkpoint = TrainingCheckpoint(tmp_path, _model())
    checkpoint.save(1, 0.0)
    for folder in (tmp_path / "ckpt-2_temp", tmp_path / "best" / "ckpt-2_temp"):
        folder.mkdir(parents=True)
        (folder / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"x")
    assert checkpoint.restore() == 1
    assert not list(tmp_path.rglob("*_temp"))


def test_says_when_none_is_whole_or_there(tmp_path):
    checkpoint = TrainingCheckpoint(tmp_path, _model())
    with pytest.raises(FileNotFoundError, match="not been trained"):
        restore_weights(tmp_path, _model())
    checkpoint.save(3, 0.0)
    (tmp_path / "ckpt-3.data-00000-of-00001").write_bytes(b"")
    with pytest.raises(ValueError, match=r"steps \[3\]"):
        restore_weights(tmp_path, _model(), warn=lambda text: None)


def test_weights_alone_are_read_without_an_optimizer(tmp_path):
    model = _model()
    _fit(model)
    TrainingCheckpoint(tmp_path, model).save(7, 0.0)
    other = GPTModel(**{**model.get_config(), "name": "other"})
    other.build((None, None))
    assert restore_weights(tmp_path, other) == 7
    for value, expected in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(value.numpy(), expected.numpy())


def test_weights_of_another_shape_are_refused(tmp_path):
    TrainingCheckpoint(tmp_path, _model()).save(1, 0.0)
    with pytest.raises(ValueError, match="of another model"):
        restore_weights(tmp_path, _model(d_model=32), warn=lambda text: None)


def test_an_unwritable_folder_is_named(tmp_path):
    folder = tmp_path / "checkpoints"
    checkpoint = TrainingCheckpoint(folder, _model())
    checkpoint.save(1, 0.0)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("a file where the folder was")
    with pytest.raises(OSError, match="checkpoints"):
        checkpoint.save(2, 0.0)


def test_a_full_disk_is_told_and_the_last_one_stays(tmp_path):
    model = _model()
    checkpoint = TrainingCheckpoint(tmp_path, model)
    checkpoint.save(1, 0.0)
    expected = _state(model)
    _fit(model)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match="step 2 .*whole one is of step 1"):
            checkpoint.save(2, 0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert TrainingCheckpoint(tmp_path, model).restore() == 1
    for value, before in zip(_state(model), expected, strict=True):
        np.testing.assert_array_equal(value, before)
