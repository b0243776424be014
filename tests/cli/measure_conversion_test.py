"""Tests of `gpt_keras.cli.measure_conversion`."""

import json
import os
import stat
import sys

import numpy as np
import pytest

from gpt_keras.cli import measure_conversion
from gpt_keras.cli import program

SIZES = ("--d_model=16", "--num_heads=2", "--num_layers=2", "--length=8")
# Takes the place of transformers: answers what the test has put down.
FAKE = """#!{python}
import json, shutil, sys
job = json.loads(sys.argv[3])
answers = {folder!r}
shutil.copy(answers + "/outputs.npz", job["outputs"])
shutil.copytree(job["folder"], job["changed"])
shutil.copy(job["inputs"], answers + "/inputs.npz")
print(open(answers + "/told.json").read())
"""


def _main(*arguments):
    values = program.parse(measure_conversion.define_flags, *SIZES, *arguments)
    return values, measure_conversion.main(values)


def test_kerashub_computes_the_same(capsys):
    _, status = _main("--max_length=16")
    lines = capsys.readouterr().out.splitlines()
    assert status == 0, lines
    assert lines[0].startswith("hugging_face: weights written and read again")
    assert "KerasHub opens ours: logits differ by" in lines[2]
    assert "KerasHub's own is read: logits differ by" in lines[3]
    assert all("top-1 equal at 100.00%" in line for line in lines[2:])


@pytest.fixture
def fake(tmp_path):
    """A program in the place of a Python with transformers."""
    path = tmp_path / "python"
    path.write_text(FAKE.format(python=sys.executable, folder=str(tmp_path)))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_what_differs_is_told(tmp_path, fake, capsys):
    logits = np.random.default_rng(0).normal(size=(2, 8, 1024))
    np.savez(
        tmp_path / "outputs.npz",
        logits=logits,
        changed_logits=logits,
        loss=1.5,
    )
    told = {"texts": [[1], [2], [3]], "prompts": [[1], [2], [3]]}
    told |= {"torch": "1", "transformers": "2"}
    (tmp_path / "told.json").write_text(json.dumps(told))
    (tmp_path / "text.txt").write_text("some words of a text " * 20)
    _, status = _main(
        f"--transformers_python={fake}",
        f"--text={tmp_path}/text.txt",
        "--max_length=32",
        "--stride=16",
        "--new_tokens=4",
    )
    lines = capsys.readouterr().out.splitlines()
    assert status == 1
    wrong = [line for line in lines if line.endswith("DIFFERS")]
    assert len(wrong) == 5
    assert "1.500000 there" in "".join(wrong)
    windows = np.load(tmp_path / "inputs.npz")["windows"]
    assert windows.shape[1] == 33


def test_each_token_is_judged_once():
    ids = np.arange(100)
    windows, weights = measure_conversion.sliding_windows(ids, 11, 4)
    judged = windows[:, 1:][weights == 1]
    np.testing.assert_array_equal(judged, np.arange(1, 11 + 4 * 22))
    assert all(window[0] + 10 == window[-1] for window in windows)
    with pytest.raises(ValueError, match="`text` must fill a window"):
        measure_conversion.sliding_windows(ids[:10], 11, 4)


def test_transformers_that_fail_are_told(tmp_path):
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    os.chmod(path, 0o755)
    with pytest.raises(ValueError, match="transformers failed: broken"):
        _main(f"--transformers_python={path}", "--max_length=16")


def test_a_tokenizer_that_is_none_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="GPT-2's tokenizer"):
        _main(f"--tokenizer={tmp_path}")
