"""Tests of `gpt_keras.cli.measure_plan`."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import pytest
from planning_testing import TINY

from gpt_keras.cli import measure_plan
from gpt_keras.cli import program
from gpt_keras.config import TrainConfig
from gpt_keras.planning.calibration import Point


def _values(*arguments):
    return program.parse(
        measure_plan.define_flags,
        *TINY,
        "--steps=6",
        "--log_every=2",
        *arguments,
    )


@pytest.mark.parametrize(("seconds", "status"), [(0.1, 0), (0.2, 1)])
def test_a_row_says_how_far_off_the_plan_was(
    monkeypatch, tmp_path, capsys, seconds, status
):
    ran = []

    def alone(module, only):
        ran.append(TrainConfig(**json.loads(only)))
        return {"seconds": 0.1, "bytes": 100e6}

    monkeypatch.setattr(program, "run_alone", alone)
    monkeypatch.setattr(
        measure_plan,
        "measured_steps",
        lambda plan, vocab_size: {Point(1, plan.rows): seconds},
    )
    path = tmp_path / "found.json"
    values = _values("--configurations=medium", f"--json={path}", "--remat")
    values["memory_limit"].value = 9.0
    assert measure_plan.main(values) == status
    row = capsys.readouterr().out.splitlines()[-1]
    off = f"{seconds / 0.1 - 1:+.0%}"
    assert row.startswith(f"| medium | 0.0M | {1000 * seconds:,.0f} ms | 100")
    assert f"| {off} |" in row and "| 100 MB |" in row
    (config,) = ran
    assert config.remat and config.d_model == 16 and config.sample_every == 0
    found = json.loads(path.read_text())["medium"]
    assert found["configuration"] == dataclasses.asdict(config)


def test_the_run_is_the_trainers():
    """In a process of its own: in this one memory may be there already."""
    config = dataclasses.replace(
        TrainConfig.from_flags(flag_values=_values()), **measure_plan._PLAIN
    )
    only = json.dumps(dataclasses.asdict(config))
    run = subprocess.run(
        [sys.executable, "-m", "tools.measure_plan", f"--only={only}"],
        cwd=pathlib.Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout.splitlines()[-1])
    assert 0 < found["seconds"] < 60 and found["bytes"] > 0


def test_a_name_that_is_not_known_is_told():
    with pytest.raises(ValueError, match="small, medium, gpt2_small"):
        measure_plan.main(_values("--configurations=huge"))
