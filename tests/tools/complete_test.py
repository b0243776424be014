"""Tests of `tools.complete`."""

import os
import pathlib
import sys

import limited_process
import pytest
import tensorflow as tf

from tools.complete import complete
from tools.complete import newest_version

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """Versions 9 and 10 end a prompt with their number."""
    folder = tmp_path_factory.mktemp("model")
    for version in ("9", "10"):
        _save(folder / version, f" é{version}")
    (folder / "11").mkdir()  # has no model yet
    (folder / "new").mkdir()
    (folder / "new/saved_model.pb").touch()
    return folder


def _save(path, ending):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "prompts")])
    def serve(prompts):
        # Like an export's, the completions don't hold the prompts.
        endings = tf.strings.join([tf.strings.upper(prompts), ending])
        return {"completions": endings}

    tf.saved_model.save(tf.Module(), str(path), serve)


def test_takes_the_newest_version(model_dir):
    assert newest_version(model_dir).name == "10"
    assert complete(model_dir, ["a", "b"]) == ["A é10", "B é10"]


def test_the_program_prints_prompts_and_completions(model_dir):
    result = _run(f"--model={model_dir}", "--prompt=a", "--prompt=b ")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "aA é10\nb B  é10\n"


def _run(*arguments):
    return limited_process.run(
        [sys.executable, "-m", "tools.complete", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
    )


def test_a_folder_without_versions_is_told_in_one_line(tmp_path):
    result = _run(f"--model={tmp_path}")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: `--model` must be") and str(tmp_path) in line


def test_needs_nothing_of_the_project(model_dir):
    code = f"""if True:
        import sys
        from tools.complete import complete
        complete({str(model_dir)!r}, ["a"])
        print({{"gpt_keras", "tokenizers"}} & sys.modules.keys())
    """
    result = limited_process.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    assert result.stdout == "set()\n"
