"""Tests of `gpt_keras.cli.measure_tasks`."""

import json

import pytest

from gpt_keras.cli import evaluate
from gpt_keras.cli import measure_tasks
from gpt_keras.cli import program
from gpt_keras.cli import train
from gpt_keras.recipes import RECIPES

TINY = (
    "--d_model=8",
    "--num_heads=2",
    "--dff=8",
    "--num_layers=1",
    "--batch_size=2",
    "--steps=2",
    "--warmup_steps=1",
    "--validation_pairs=4",
    "--validate_every=2",
    "--peak_teraflops=1",
)


def _main(*arguments):
    values = program.parse(measure_tasks.define_flags, *arguments)
    return measure_tasks.main(values)


def test_a_task_is_trained_scored_and_drawn_once(tmp_path, capfd, monkeypatch):
    arguments = [f"--output={tmp_path}", "--task=look_up"]
    assert not _main(*arguments, *(f"--train={x}" for x in TINY))
    found = json.loads((tmp_path / "tasks.json").read_text("utf-8"))["look_up"]
    assert found["steps"] == 2 and found["seconds"] > 0
    assert found["command"].startswith("python -m tools.train --recipe=look_up")
    (given,) = found["evaluations"].values()
    assert given["examples"] == 4 and "accuracy" in given["scores"]
    assert given["baseline_name"] == "longest name in the context"
    assert (tmp_path / "tasks.png").stat().st_size > 1000
    row = "| `look_up` | 2 | "
    assert row in capfd.readouterr().out
    monkeypatch.setattr(measure_tasks, "_run", None)  # nothing is run again
    assert not _main(*arguments)
    assert row in capfd.readouterr().out


@pytest.mark.parametrize("name", measure_tasks.TASKS)
def test_flags_of_the_programs_are_theirs(name):
    task = measure_tasks.TASKS[name]
    recipe = task.train[0].removeprefix("--recipe=")
    assert recipe in RECIPES
    program.parse(train.define_flags, *task.train, "--model_dir=x")
    for arguments in task.evaluations.values():
        program.parse(evaluate.define_flags, *arguments, "--model_dir=x")
    assert not task.after or task.after in measure_tasks.TASKS


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ValueError, match="Received: sing"):
        _main(f"--output={tmp_path}", "--task=sing")
    with pytest.raises(ValueError, match="`data` must .*'translate'"):
        _main(f"--output={tmp_path}", "--task=copy,translate")
    assert not list(tmp_path.iterdir())


def test_a_failed_program_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="tools.train --recipe=copy.*: 2"):
        _main(f"--output={tmp_path}", "--task=copy", "--train=--no_such_flag=1")
