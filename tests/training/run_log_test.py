"""Tests of `gpt_keras.training.run_log`."""

import json
import os
import pathlib
import sys

import limited_process
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import (
    plugin_event_accumulator as accumulator,
)

from gpt_keras.training.run_log import RunLog
from gpt_keras.training.run_log import read_metrics

# Writes two steps, forbids the process any longer file, and goes on writing.
FULL_DISK = """
import resource, signal, sys
from gpt_keras.training.run_log import RunLog
log = RunLog(sys.argv[1], 0)
log.write(1, note="x" * int(sys.argv[2]), loss=1.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    for step in range(2, 100):
        log.write(step, loss=1.0)
except OSError as error:
    print(error)
"""


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path):
    log = RunLog(tmp_path, 0)
    for step in (1, 2, 3, 4):
        log.write(step, loss=1.0 / step)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 5, "lo')  # a kill
    assert len(read_metrics(tmp_path)) == 4
    RunLog(tmp_path, 2).write(3, loss=9.0)
    text = (tmp_path / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(x["step"], x["loss"]) for x in lines] == [
        (1, 1.0),
        (2, 0.5),
        (3, 9.0),
    ]


def test_cutting_back_leaves_the_old_log_or_the_new(tmp_path, monkeypatch):
    RunLog(tmp_path, 0).write(1, loss=1.0)
    before = (tmp_path / "metrics.jsonl").read_bytes()

    def fail(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="metrics.jsonl' can't be written: No sp"):
        RunLog(tmp_path, 0)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "damage", [b'{"step": 2, "lo', b"\0" * 40, b"\xff\xfe{", b"7", b'{"a": 1}']
)
def test_lines_after_a_damaged_one_are_kept(tmp_path, damage):
    good = [b'{"step": 1}', b'{"step": 3, "loss": 2.0}', b""]
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"\n".join([good[0], damage, *good[1:]]))
    assert read_metrics(tmp_path) == [{"step": 1}, {"step": 3, "loss": 2.0}]
    RunLog(tmp_path, 3)
    assert path.read_bytes() == b"\n".join(good)


def test_what_is_not_finite_is_null(tmp_path):
    RunLog(tmp_path, 0).write(1, loss=float("nan"), seconds=1.0)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert text == '{"step": 1, "loss": null, "seconds": 1.0}\n'


def test_tensorboard_gets_numbers_only(tmp_path):
    values = {"note": "ø", "skipped": [3, 4], "memory": 1 << 40, "none": None}
    log = RunLog(tmp_path, 0)
    log.write(4, loss=1.5, **values)
    log.write_text(4, "sample", "Once")
    log.sync()
    assert read_metrics(tmp_path) == [{"step": 4, "loss": 1.5, **values}]
    board = _tensorboard(tmp_path)
    assert board.Tags()["tensors"] == ["loss", "memory", "sample"]
    assert _points(board, "loss") == [(4, 1.5)]
    assert _points(board, "memory") == [(4, float(1 << 40))]


@pytest.mark.parametrize("last_step", [0, 2, 4])
def test_tensorboard_forgets_what_came_after_the_checkpoint(
    tmp_path, last_step
):
    log = RunLog(tmp_path, 0)
    for step in (1, 2, 3, 4):
        log.write(step, loss=float(step), val_loss=float(step))
        log.write_text(step, "sample", "Once")
    log = RunLog(tmp_path, last_step)
    for step in (last_step + 1, last_step + 3):
        log.write(step, loss=9.0)
    before = [(step, float(step)) for step in range(1, last_step + 1)]
    board = _tensorboard(tmp_path)
    after = [(last_step + 1, 9.0), (last_step + 3, 9.0)]
    assert _points(board, "loss") == before + after
    # Nothing was logged anew for these, and still they are cut.
    assert _points(board, "val_loss") == before
    assert len(board.Tensors("sample")) == last_step


def test_three_tries_each_forget_their_own(tmp_path):
    for first_step in (0, 3, 1):
        log = RunLog(tmp_path, first_step)
        for step in (first_step + 1, first_step + 2, first_step + 3):
            log.write(step, loss=float(first_step))
    points = [(1, 0.0), (2, 1.0), (3, 1.0), (4, 1.0)]
    assert _points(_tensorboard(tmp_path), "loss") == points


def test_a_first_run_forgets_nothing(tmp_path):
    RunLog(tmp_path, 0).write(1, loss=1.0)
    assert not _starts(tmp_path)
    RunLog(tmp_path, 1)
    assert _starts(tmp_path) == [2, 2]


@pytest.mark.parametrize("full", ["metrics.jsonl", "logs"])
def test_a_full_disk_is_told_with_the_file(tmp_path, full):
    # A long note is for `metrics.jsonl` only, which is then full first.
    note = 900 if full == "metrics.jsonl" else 0
    arguments = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(note)]
    printed = limited_process.run(
        arguments,
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
    ).stdout
    assert f"{str(tmp_path / full)!r} can't be written: " in printed
    assert [x["step"] for x in read_metrics(tmp_path)][:1] == [1]


def _tensorboard(folder):
    board = accumulator.EventAccumulator(
        str(folder / "logs"), tensor_size_guidance={}
    )
    return board.Reload()


def _points(board, tag):
    return [
        (event.step, tf.make_ndarray(event.tensor_proto).item())
        for event in board.Tensors(tag)
    ]


def _starts(folder):
    """Returns the steps of the START events in the folder's event files."""
    return [
        event.step
        for path in sorted((folder / "logs").glob("*tfevents*"))
        for event in tf.compat.v1.train.summary_iterator(str(path))
        if event.session_log.status == tf.compat.v1.SessionLog.START
    ]
