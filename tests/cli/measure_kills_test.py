"""Tests of `gpt_keras.cli.measure_kills`."""

import pytest

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
