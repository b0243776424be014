"""Tests of `gpt_keras.cli.run_comparison`."""

import json

import pytest
import tensorflow as tf

from gpt_keras.cli.run_comparison import compare


@pytest.mark.parametrize(
    "kind, name, change",
    [
        ("last checkpoint", "weight", {"weight": [0.0, -0.0]}),
        ("last checkpoint", "weight", {"weight": tf.zeros(2, tf.float64)}),
        ("last checkpoint", "slot", {"slot": [2.0]}),
        ("last checkpoint", "more", {"more": [2.0]}),
        ("best weights", "weight", {"best": [1e-45, 0.0]}),
        ("log", "loss of step 3", {"loss": 0.5000000000000001}),
    ],
)
def test_one_bit_is_a_difference(tmp_path, kind, name, change):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    _write(whole, seconds=1.0)
    _write(killed, seconds=2.0)
    counts, different = compare(whole, killed)
    assert list(counts.values()) == [2, 1, 2] and not different
    _write(killed, seconds=2.0, **change)
    _, (difference,) = compare(whole, killed)
    assert kind in difference and name in difference


def _write(folder, *, seconds, loss=0.5, best=(0.0, 0.0), **tensors):
    """Writes what `compare` reads of a model folder."""
    tensors = {"weight": [0.0, 0.0], "slot": [1.0], **tensors}
    directory = folder / "checkpoints"
    _save(directory, seconds=seconds, **tensors)
    _save(directory / "best", weight=best)
    line = {"step": 3, "loss": loss, "seconds": seconds}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")


def _save(directory, **tensors):
    variables = {name: tf.Variable(value) for name, value in tensors.items()}
    tf.train.Checkpoint(**variables).save(str(directory / "ckpt"))
