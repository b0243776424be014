"""Tests of `gpt_keras.cli.measure_kills`."""

import json

import pytest
import tensorflow as tf

from gpt_keras.cli import measure_kills
from gpt_keras.cli import program

TINY = (
    "--tokenizer=character",
    "--d_model=64",
    "--dff=128",
    "--num_layers=1",
    "--max_length=16",
    "--batch_size=4",
)


def _measure(*arguments):
    values = program.parse(measure_kills.define_flags, *arguments)
    return measure_kills.main(values)


def test_a_run_killed_twice_ends_with_the_same_bits(tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("one two three 四五 " * 300, encoding="utf-8")
    status = _measure(
        "--kills=2",
        "--kills_in_save=1",
        "--replicas=1",
        "--steps=120",
        f"--directory={tmp_path}/runs",
        *(f"--train={flag}" for flag in (*TINY, f"--text={text}")),
    )
    printed = capsys.readouterr().out
    assert status == 0, printed
    rows = [line.strip().rsplit(maxsplit=1) for line in printed.splitlines()]
    table = {name: int(x) for name, x in rows if x.isdigit()}
    assert table["kills"] >= 2 and table["inside a save"] >= 1
    assert table["tensors of the last checkpoint compared"] > 30
    assert table["tensors of the best weights compared"] > 8
    assert table["figures of the log compared"] > 200
    assert table["different"] == 0
    with pytest.raises(ValueError, match="must not exist yet"):
        _measure(f"--directory={tmp_path}/runs")


def test_a_run_that_ends_by_an_error_is_told(tmp_path):
    flags = ["--steps=1", f"--directory={tmp_path}/runs"]
    with pytest.raises(ChildProcessError, match="whole.log"):
        _measure(*flags, "--train=--text=nowhere.txt")
    assert "nowhere.txt" in (tmp_path / "runs" / "whole.log").read_text()


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
    counts, different = measure_kills.compare(whole, killed)
    assert list(counts.values()) == [2, 1, 2] and not different
    _write(killed, seconds=2.0, **change)
    _, (difference,) = measure_kills.compare(whole, killed)
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
