"""Tests of `gpt_keras.cli.inspection`."""

import importlib.machinery
import json
import pathlib
import sys
import sysconfig

import limited_process
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.cli import inspection
from gpt_keras.cli import program
from gpt_keras.inspection.fonts import can_draw
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.model_folder import load_model

ROOT = pathlib.Path(__file__).parents[2]
PROMPT = "one two four 四!"


def _inspect(model_dir, *arguments):
    inspection.main(
        program.parse(
            inspection.define_flags, f"--model_dir={model_dir}", *arguments
        )
    )


def test_writes_pictures_table_and_json(model_dir, tmp_path, capsys):
    _inspect(model_dir, f"--prompt={PROMPT}", f"--output={tmp_path}")
    printed = capsys.readouterr()
    names = ["attention.png", "inspection.json", "predictions.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert set(printed.out.splitlines()[-3:]) == {
        str(tmp_path / name) for name in names
    }
    lines = printed.out.splitlines()
    assert lines[0].split()[:3] == ["place", "token", "loss"]
    assert "nats per token" in printed.out
    assert ("U+56DB" in printed.err) != can_draw("四")


def test_json_has_the_models_own_figures(model_dir, tmp_path, capsys):
    arguments = [f"--prompt={PROMPT}", f"--output={tmp_path}", "--top=3"]
    _inspect(model_dir, *arguments, "--json")
    content = json.loads(capsys.readouterr().out)
    written = (tmp_path / "inspection.json").read_text(encoding="utf-8")
    assert json.loads(written) == content
    token_ids = load_tokenizer(model_dir).encode(PROMPT)
    logits = load_model(model_dir)(np.array([token_ids]))[0]
    logprobs = tf.nn.log_softmax(logits).numpy()
    first, *places, following = content["places"]
    assert first["token_id"] == token_ids[0] and first["loss"] is None
    assert following["token_id"] is None
    for place, token_id, row in zip(
        [*places, following], [*token_ids[1:], None], logprobs, strict=True
    ):
        assert place["token_id"] == token_id
        if token_id is not None:
            np.testing.assert_allclose(place["loss"], -row[token_id], rtol=1e-4)
        ids = [token["token_id"] for token in place["top"]]
        assert ids == list(np.argsort(-row)[:3])
        np.testing.assert_allclose(
            [token["probability"] for token in place["top"]],
            np.exp(row[ids]),
            rtol=1e-4,
        )


def test_parts_of_characters_are_bytes(model_dir, tmp_path, capsys):
    arguments = ["--prompt=一", f"--output={tmp_path}", "--json"]
    _inspect(model_dir, *arguments)
    places = json.loads(capsys.readouterr().out)["places"]
    assert [x["token"] for x in places] == [r"\xe4", r"\xb8", r"\x80", None]


def test_layers_and_heads_are_chosen(model_dir, tmp_path, monkeypatch):
    drawn = []

    def pictures(weights, layers, heads, labels, text):
        drawn.append((weights, layers, heads))
        return iter(())

    monkeypatch.setattr(inspection, "attention_pictures", pictures)
    arguments = [f"--prompt={PROMPT}", f"--output={tmp_path}"]
    _inspect(model_dir, *arguments)
    _inspect(model_dir, *arguments, "--layers=0", "--heads=1,0")
    (every, *_), (some, layers, heads) = drawn
    assert layers == [0] and heads == [1, 0]
    np.testing.assert_array_equal(some, every[:, [1, 0]])


def test_the_models_folder_gets_the_pictures_by_default(tmp_path):
    arguments = [f"--model_dir={tmp_path}", "--prompt=a"]
    values = program.parse(inspection.define_flags, *arguments)
    assert inspection._output(values) == tmp_path / "inspection"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--prompt=", "`prompt` must not be empty. Received: ''"),
        ("--prompt=" + "一" * 11, "`max_length` of 32 tokens. Received: 33"),
        ("--layers=1", "`layers` must be.*from 0 to 0. Received: '1'"),
        ("--layers=", "`layers` must be.*Received: ''"),
        ("--heads=0,2", "`heads` must be.*from 0 to 1. Received: '0,2'"),
        ("--heads=1,1", "`heads` must be different.*Received: '1,1'"),
        ("--heads=-1", "`heads` must be.*Received: '-1'"),
        ("--heads=all", "`heads` must be.*Received: 'all'"),
        ("--top=0", r"`top` must be in \[1, vocab_size=270\]. Received: 0"),
        ("--top=271", r"`top` must be in \[1, .*Received: 271"),
    ],
)
def test_bad_input_is_named_and_nothing_written(
    model_dir, tmp_path, argument, message
):
    output = tmp_path / "new"
    arguments = [f"--output={output}", f"--prompt={PROMPT}", argument]
    with pytest.raises(ValueError, match=message):
        _inspect(model_dir, *arguments)
    assert not output.exists()


def test_an_output_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ValueError, match="`output` must be a folder.*file'"):
        _inspect(tmp_path, "--prompt=a", f"--output={tmp_path / 'file'}")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_without_a_model_or_checkpoint_is_named(model_dir, tmp_path):
    with pytest.raises(FileNotFoundError, match="no model folder"):
        _inspect(tmp_path, "--prompt=a")
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((model_dir / name).read_bytes())
    with pytest.raises(FileNotFoundError, match="checkpoint"):
        _inspect(tmp_path, "--prompt=a")


@pytest.mark.parametrize("folder", ["tools", "gpt_keras/cli"])
def test_pythons_own_inspect_is_found(folder):
    """Also where a program is run by its path, its folder searched first."""
    path = [str(ROOT / folder), sysconfig.get_path("stdlib")]
    spec = importlib.machinery.PathFinder.find_spec("inspect", path)
    assert spec.origin == str(pathlib.Path(path[1]) / "inspect.py")


def test_the_program_is_found_by_its_name(tmp_path):
    result = limited_process.run(
        [
            sys.executable,
            "-m",
            "tools.inspect",
            f"--model_dir={tmp_path}",
            "--prompt=a",
        ],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "no model folder" in result.stderr
