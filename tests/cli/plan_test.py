"""Tests of `gpt_keras.cli.plan`."""

import json

import pytest
from planning_testing import TINY

from gpt_keras.cli import plan
from gpt_keras.cli import program
from gpt_keras.planning import calibration
from gpt_keras.text.character_tokenizer import CharacterTokenizer


def _plan(*arguments):
    return plan.main(program.parse(plan.define_flags, *arguments))


def test_a_table_and_all_figures(tmp_path, capsys):
    path = tmp_path / "plan.json"
    arguments = ("--device=h100", "--devices=16", "--microbatches=4")
    assert not _plan(
        "--recipe=gpt2_small",
        *arguments,
        "--price_per_hour=2.5",
        f"--json={path}",
    )
    printed = capsys.readouterr().out
    found = json.loads(path.read_text())
    assert "hosts exchange as fast" in printed
    assert "16 × h100   2 hosts" in printed and "124,439,808" in printed
    parts = found["parameters"]
    assert parts["total"] == 124_439_808
    assert found["hosts"] == 2 and found["fits"]
    seconds = dict(found["seconds_per_step"])
    assert seconds.pop("total") == pytest.approx(sum(seconds.values()))
    assert found["hours"] == pytest.approx(
        found["seconds_per_step"]["total"] * 600_000 / 3600
    )
    assert found["cost"] == pytest.approx(found["hours"] * 16 * 2.5)
    assert f"{found['cost']:,.2f}" in printed


def test_this_machine_measures_itself(monkeypatch, capsys):
    taken, step_seconds = [], calibration.step_seconds

    def briefly(config, point, vocab_size, batches):
        taken.append(point)
        return step_seconds(config, point, vocab_size, batches, seconds=0.0)

    monkeypatch.setattr(calibration, "step_seconds", briefly)
    assert not _plan(*TINY, "--peak_teraflops=1", "--devices=2")
    printed = capsys.readouterr().out
    assert taken == [calibration.Point(1, 2)]
    assert "2 × this" in printed and "measured steps (blocks" in printed
    assert "exchange of gradients is not known" in printed


def test_what_does_not_fit_is_refused_with_what_would_help(capsys):
    arguments = ("--recipe=gpt2_small", "--device=a100", "--devices=8")
    arguments += ("--batch_size=2048",)
    assert _plan(*arguments) == 1
    printed = capsys.readouterr().out
    assert "error: it does not fit" in printed
    assert "The largest part is the activations" in printed
    assert "--microbatches=2" in printed and "GB, fits" in printed
    assert not _plan(*arguments, "--memory_gigabytes=200")
    assert _plan(*arguments, "--memory_gigabytes=1") == 1
    assert "No flag is enough" in capsys.readouterr().out


def test_the_vocabulary_is_that_of_the_run(tmp_path, capsys):
    CharacterTokenizer("abc").save(tmp_path)
    lengths = {
        ("--tokenizer=character",): plan.CHARACTERS,
        ("--tokenizer=character", "--vocab_size=70"): 70,
        (f"--tokenizer={tmp_path}",): CharacterTokenizer("abc").vocab_size,
        (f"--init_from={tmp_path}",): CharacterTokenizer("abc").vocab_size,
        (): 1024,
    }
    path = tmp_path / "plan.json"
    for arguments, expected in lengths.items():
        _plan("--device=t4", f"--json={path}", *arguments)
        sizes = json.loads(path.read_text())["sizes"]
        assert sizes["vocab_size"] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--logical_cpus=2"], "logical_cpus=2"),
        (["--utilization=0", "--device=t4"], "`utilization` must be above 0"),
        (["--devices=3"], "batch_size=16, devices=3"),
        (["--tokenizer=nowhere", "--device=t4"], "which is none"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        _plan("--peak_teraflops=1", *arguments)
