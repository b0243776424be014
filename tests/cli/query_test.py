"""Tests of `gpt_keras.cli.query` against a server that is made up."""

import base64
import io
import json
import sys

import pytest
from client_testing import FakeModel

from gpt_keras.cli import program
from gpt_keras.cli import query


@pytest.fixture(scope="module")
def model():
    model = FakeModel()
    with model.serving() as model.url:
        yield model


@pytest.fixture
def ask(model, capsys):
    """Runs the program; gives its exit status and what it printed."""
    model.requests.clear()
    model.answers.clear()

    def run(*arguments):
        server = [f"--server={model.url}", "--model_name=m", "--retries=0"]
        values = program.parse(query.define_flags, *server, *arguments)
        status = query.main(values)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_prints_prompts_and_completions(ask, model):
    flags = ["--prompt=a", "--prompt=b ", "--max_new_tokens=2", "--stop=w1"]
    assert ask(*flags) == (0, "aw0 \nb w0 \n", "")
    ((name, inputs),) = model.requests
    assert name == "generate" and inputs["stop"] == ["w1", "w1"]
    assert inputs["steps"] == [0, 0] and inputs["continuation"] == ["", ""]


def test_streams(ask, model):
    flags = ["--prompt=a", "--max_new_tokens=3", "--tokens_per_call=2"]
    assert ask(*flags, "--stream") == (0, "aw0 w1 w2 \n", "")
    assert len(model.requests) == 2
    status, printed, errors = ask(*flags, "--stream", "--top_k=9")
    assert status == 1 and "error: row 1: " in errors


def test_a_bad_row_is_told_and_the_others_printed(ask, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = ["a", {"prompts": "b", "top_k": 9}, {"prompts": "c", "stop": ["w1"]}]
    lines = [json.dumps(row) for row in rows]
    path.write_text("\n\n".join(lines), encoding="utf-8-sig")
    flags = [f"--file={path}", "--max_new_tokens=2", "--rows_per_call=2"]
    status, printed, errors = ask(*flags)
    assert (status, printed) == (1, "aw0 w1 \ncw0 \n")
    assert errors == "error: row 2: `top_k` must be another\n"
    status, printed, _ = ask(*flags, "--json")
    rows = [json.loads(line) for line in printed.splitlines()]
    assert status == 1 and [row["lengths"] for row in rows] == [2, 0, 2]
    assert rows[0]["completions_bytes"] == {
        "b64": base64.b64encode(b"w0 w1 ").decode()
    }


def test_every_signature_by_rows(ask, monkeypatch):
    assert ask("--signature=complete", "--prompt=a", "--seed=1") == (
        0,
        "aafter a\n",
        "",
    )
    status, printed, _ = ask("--signature=score", "--prompt=", "--text=cat")
    assert status == 0 and json.loads(printed)["total_logprob"] == -4.5
    status, printed, _ = ask("--signature=tokenize", "--text=cat", "--text=a")
    assert [json.loads(x)["lengths"] for x in printed.splitlines()] == [3, 1]
    lines = '{"token_ids": [99, 97]}\n{"token_ids": [98]}\n'
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    status, printed, _ = ask("--signature=detokenize", "--file=-")
    assert (status, printed) == (0, "ca\nb\n")


def test_status_and_metadata(ask, model, monkeypatch):
    status, printed, _ = ask("--metadata")
    assert status == 0 and "version 7\n" in printed
    assert "    seed  int64  (-1,)\n" in printed
    status, printed, _ = ask("--metadata", "--json")
    inputs = json.loads(printed)["tokenize"]["inputs"]
    assert inputs == {"texts": ["string", [-1]]}
    for state, expected in {"AVAILABLE": 0, "LOADING": 1}.items():
        version = {"version": "7", "state": state, "status": {}}
        answer = {"model_version_status": [version]}
        monkeypatch.setattr(model, "metadata", answer)
        assert ask("--status")[:2] == (expected, f"7  {state}  OK\n")
    assert json.loads(ask("--status", "--json")[1])["version"] == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--stream", "--json"], "`stream` prints the text of `generate`"),
        (["--stream", "--signature=score"], "`stream` prints the text"),
        (["--stream", "--status"], "one at most"),
        (["--stream", "--text=a"], "Row 1 must have inputs of .*'texts'"),
        (["--file=x", "--prompt=a"], "Rows must come from `file`, or"),
        (["--rows_per_call=0"], "`rows_per_call` must be"),
        (["--signature=other"], "`signature` must be one of the model's"),
        (["--signature=score", "--top_k=1"], r"takes the settings \[\]"),
        (["--signature=complete", "--top_k=1"], "'temperature', 'seed'"),
        (["--signature=score", "--prompt=a"], "Row 1 must have .'texts'"),
        (["--text=a"], "Row 1 must have inputs of .*Received: .'texts'"),
        (["--prompt=a", "--prompt=b", "--text=a"], "one `text` for each"),
        (["--model_name="], "`model_name` must name the model"),
        (["--version=1", "--label=a"], "by its version or by a label"),
    ],
)
def test_what_does_not_go_together_is_refused(ask, arguments, words):
    with pytest.raises(ValueError, match=words):
        ask(*arguments)


@pytest.mark.parametrize(
    "line", ["1", "[]", "{", '{"prompts": {"b64": "%"}}', '{"prompts": {}}']
)
def test_a_bad_line_is_named(ask, tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'"a"\n{line}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="rows.jsonl:2 must be a JSON text"):
        ask(f"--file={path}")
