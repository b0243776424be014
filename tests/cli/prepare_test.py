"""Tests of `gpt_keras.cli.prepare`: text in, tokens and their report out."""

import json

import pytest

from gpt_keras.cli import prepare
from gpt_keras.cli import program


def _prepare(*arguments):
    return prepare.main(program.parse(prepare.define_flags, *arguments))


@pytest.fixture(name="text")
def _text(tmp_path):
    for name in ("one", "two", "three"):
        path = tmp_path / f"{name}.txt"
        path.write_text(f"{name} 漢字 and more\n" * 100, encoding="utf-8")
    return f"{tmp_path}/*.txt"


def test_prepares_and_reports(tmp_path, text, capsys):
    output = tmp_path / "tokens"
    arguments = (f"--text={text}", f"--output={output}", "--vocab_size=270")
    arguments += ("--split_by=document", "--validation_fraction=0.4")
    assert _prepare(*arguments, "--workers=2") == 0
    printed = capsys.readouterr()
    assert "documents" in printed.out and "tokens/s" in printed.out
    assert "padding in windows of 128" in printed.out
    assert not printed.err  # the bar is for terminals
    report = json.loads((output / "report.json").read_text())
    manifest = json.loads((output / "manifest.json").read_text())
    for name, split in manifest["splits"].items():
        assert report["splits"][name]["tokens"] == split["tokens"]
    assert report["preparing"]["tokens"] == sum(
        split["tokens"] for split in manifest["splits"].values()
    )
    assert _prepare(*arguments) == 0  # it is there already
    assert _prepare(f"--output={output}", "--report", "--max_length=7") == 0
    again = json.loads((output / "report.json").read_text())
    assert again["window_length"] == 7
    assert again["preparing"] == report["preparing"]
    with pytest.raises(ValueError, match="vocab_size: 270 in the folder"):
        _prepare(*arguments, "--vocab_size=271")


def test_a_report_needs_a_store(tmp_path):
    with pytest.raises(FileNotFoundError, match="manifest.json"):
        _prepare(f"--output={tmp_path}", "--report")


def test_bad_input_is_named(tmp_path, text):
    output = f"--output={tmp_path}/tokens"
    with pytest.raises(ValueError, match="`workers` must be at least 0"):
        _prepare(output, f"--text={text}", "--workers=-1")
    with pytest.raises(ValueError, match="one of.*text=.*tfds="):
        _prepare(output, f"--text={text}", "--tfds=lm1b")
