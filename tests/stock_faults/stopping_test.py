"""What stock Keras loses when a run is stopped, and this project not."""

import os
import pathlib
import signal
import subprocess
import sys

import keras
import limited_process
import numpy as np
import pytest
from stock_faults.stock_testing import LENGTH
from stock_faults.stock_testing import Stock
from stock_faults.stock_testing import make_batch
from stock_faults.stock_testing import make_model
from stock_faults.stock_testing import weights_of

from gpt_keras import GPTModel
from gpt_keras.training.checkpoint import TrainingCheckpoint


class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def _stock_run(folder, *callbacks):
    """Four epochs, with dropout, in shuffled order."""
    ids, labels = make_batch()
    model = make_model(Stock, keras.optimizers.Adam(0.01), rate=0.5)
    backup = keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False)
    model.fit(
        ids,
        labels,
        epochs=4,
        batch_size=2,
        verbose=0,
        callbacks=[backup, *callbacks],
    )
    return weights_of(model)


def _our_run(folder, last_step):
    """Sixteen steps, or from the checkpoint there on, with dropout."""
    model = make_model(GPTModel, keras.optimizers.Adam(0.01), rate=0.5)
    model.optimizer.build(model.trainable_variables)
    checkpoint = TrainingCheckpoint(folder, model)
    first_step = checkpoint.restore()
    ids, labels = make_batch(32)
    rows = slice(2 * first_step, 2 * last_step)
    model.fit(ids[rows], labels[rows], batch_size=2, verbose=0, shuffle=False)
    checkpoint.save(last_step, 0.0)
    return weights_of(model)


def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path):
    """`BackupAndRestore` loses the seeds of dropout and of the order."""
    whole = _stock_run(tmp_path / "stock_whole")
    with pytest.raises(KeyboardInterrupt):
        _stock_run(tmp_path / "stock", Stop())
    assert np.abs(_stock_run(tmp_path / "stock") - whole).max() > 1e-3
    whole = _our_run(tmp_path / "whole", 16)
    _our_run(tmp_path / "ours", 8)
    np.testing.assert_array_equal(_our_run(tmp_path / "ours", 16), whole)


def _cut(path: pathlib.Path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: pathlib.Path, number: float):
    """Flips a bit of a number that the file holds."""
    content = path.read_bytes()
    found = np.float32(number).tobytes()
    assert content.count(found) == 1
    flipped = bytes([found[0], found[1] ^ 64, *found[2:]])
    path.write_bytes(content.replace(found, flipped))


def _saved_by_us(folder, last=0.123456):
    """Saves two checkpoints; the last has a number to be found."""
    model = make_model(GPTModel)
    model.optimizer.build(model.trainable_variables)
    checkpoint = TrainingCheckpoint(folder, model)
    checkpoint.save(1, 0.0)
    expected = weights_of(model)
    kernel = model.final_layer.kernel
    kernel.assign(np.full(kernel.shape, 0.5, "float32"))
    model.final_layer.bias.assign(np.linspace(last, 1, 20).astype("float32"))
    checkpoint.save(2, 0.0)
    return model, checkpoint, expected, folder / "ckpt-2.data-00000-of-00001"


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_file_that_was_cut_short(tmp_path, suffix):
    """As a kill leaves it. Stock has no other one to fall back to."""
    stock, path = make_model(GPTModel), tmp_path / f"model{suffix}"
    stock.save(path) if suffix == ".keras" else stock.save_weights(path)
    _cut(path)
    with pytest.raises(Exception):  # noqa: B017, of several kinds
        if suffix == ".keras":
            keras.models.load_model(path)
        stock.load_weights(path)
    model, checkpoint, expected, path = _saved_by_us(tmp_path / "ours")
    _cut(path)
    warnings = []
    assert checkpoint.restore(warn=warnings.append) == 1 and warnings
    np.testing.assert_array_equal(weights_of(model), expected)


def test_a_flipped_bit(tmp_path):
    """`.weights.h5` loads it silently."""
    stock, path = make_model(GPTModel), tmp_path / "model.weights.h5"
    bias = stock.final_layer.bias
    bias.assign(np.linspace(0.123456, 1, 20).astype("float32"))
    stock.save_weights(path)
    _flip(path, 0.123456)
    stock.load_weights(path)
    assert float(bias.numpy()[0]) != np.float32(0.123456)
    model, checkpoint, expected, path = _saved_by_us(tmp_path / "ours")
    _flip(path, 0.123456)
    warnings = []
    assert checkpoint.restore(warn=warnings.append) == 1
    assert "ckpt-2" in warnings[0]
    np.testing.assert_array_equal(weights_of(model), expected)


PROGRAM = """
import sys, time
import keras
from stock_faults.stock_testing import Stock, make_batch, make_model
from gpt_keras import GPTModel
from gpt_keras.training.callbacks import Saving
from gpt_keras.training.checkpoint import TrainingCheckpoint
from gpt_keras.training.stop_signals import StopSignals

class Log:
    def sync(self): pass
    def tell(self, text): pass

class Ready(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        print("step", flush=True)
        time.sleep(0.05)

kind, folder = sys.argv[1:]
model = make_model({"Stock": Stock, "GPTModel": GPTModel}[kind])
model.optimizer.build(model.trainable_variables)
ids, labels = make_batch(2000)

def fit(saving):
    callbacks = [Ready(), saving]
    model.fit(ids, labels, batch_size=1, verbose=0, callbacks=callbacks)

if kind == "Stock":
    fit(keras.callbacks.BackupAndRestore(folder, save_freq=1000))
else:
    checkpoint = TrainingCheckpoint(folder, model)
    with StopSignals() as stop:
        fit(Saving(Log(), checkpoint, 1000, 2000, lambda: 0.0, stop))
"""


@pytest.mark.parametrize(
    "kind, is_saved", [("Stock", False), ("GPTModel", True)]
)
def test_sigterm_saves(tmp_path, kind, is_saved):
    root = pathlib.Path(__file__).parents[2]
    paths = [str(root), str(root / "tests"), *sys.path]
    with limited_process.started(
        [sys.executable, "-c", PROGRAM, kind, tmp_path / "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    ) as process:
        assert process.stdout.readline() == b"step\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert (process.returncode == 0) == is_saved
    saved = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert bool(saved) == is_saved


class Forgetful(keras.Model):
    """A subclass without `get_config`, whose options have defaults."""

    def __init__(self, d_model=8):
        super().__init__()
        self.d_model = d_model

    def call(self, x):
        return x


def test_what_a_model_was_made_with_is_saved(tmp_path):
    stock = Forgetful(d_model=16)
    stock.build((None, LENGTH))
    config = keras.saving.serialize_keras_object(stock)["config"]
    assert config.get("d_model", 8) != 16
    ours = GPTModel(20, 16, 2, 32, LENGTH, num_layers=1)
    ours.build((None, None))
    ours.save(tmp_path / "ours.keras")
    assert keras.models.load_model(tmp_path / "ours.keras").d_model == 16
