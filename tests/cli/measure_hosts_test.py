"""Tests of `gpt_keras.cli.measure_hosts`, with a program that trains nothing.

Two hosts that train, are killed and go on: `tests/training/hosts_test.py`.
"""

import json
import random

import pytest

from gpt_keras.cli import measure_hosts
from gpt_keras.cli.measure_hosts import Job

# Logs a step, and ends by itself with a status that its flags give.
_PROGRAM = """
import pathlib, sys, time
flags = dict(x[2:].split("=", 1) for x in sys.argv[1:])
folder = pathlib.Path(flags["model_dir"])
folder.mkdir(exist_ok=True)
if flags.get("host_index", "0") == "0":
    (folder / "metrics.jsonl").write_text('{"step": 1}' + chr(10))
time.sleep(float(flags["seconds"]))
sys.exit(int(flags["status"]))
"""


def _job(folder, seconds, status, count=2):
    flags = [f"--seconds={seconds}", f"--status={status}"]
    return Job(folder, flags, count, _PROGRAM)


def test_a_kill_is_told_with_the_time_the_other_took(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_hosts, "START_UPS", 0.0)
    job = _job(tmp_path / "run", 1.5, 1)
    kill = measure_hosts._kill_once(job, 0.0, 0.001, random.Random(0))
    assert kill.host in (0, 1) and not kill.in_start_up
    assert 0 < kill.seconds


def test_a_run_that_ended_before_the_kill_is_no_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_hosts, "START_UPS", 1.0)
    job = _job(tmp_path / "run", 0.0, 0)
    monkeypatch.setattr(
        measure_hosts.time, "sleep", lambda seconds: _wait_for_all(job)
    )
    assert not measure_hosts._kill_once(job, 0.0, 0.0, random.Random(0))


def _wait_for_all(job):
    """Stands for a long sleep: until both programs are through."""
    for process in job.processes:
        process.wait()


def test_a_host_that_fails_is_told(tmp_path):
    with pytest.raises(ChildProcessError, match=r"\[3, 3\]"):
        measure_hosts._finish(_job(tmp_path / "run", 0.0, 3))


def test_the_largest_difference_of_the_losses_is_found(tmp_path):
    jobs = [_job(tmp_path / name, 0.0, 0) for name in ("one", "two")]
    for job, loss in zip(jobs, (2.0, 2.5), strict=True):
        job.folder.mkdir()
        lines = [{"step": 1, "loss": 3.0}, {"step": 2, "val_loss": loss}]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (job.folder / "metrics.jsonl").write_text(text)
    assert measure_hosts._largest_difference(*jobs) == 0.5
    (jobs[1].folder / "metrics.jsonl").write_text('{"step": 1, "loss": 3.0}\n')
    with pytest.raises(ValueError, match="the same steps"):
        measure_hosts._largest_difference(*jobs)
