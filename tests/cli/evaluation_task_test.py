"""Tests of `gpt_keras.cli.evaluation_task`: from flags and files to a task."""

import pytest
from evaluation_testing import ByteTokenizer

from gpt_keras.cli import evaluation_task
from gpt_keras.cli import program


def _task(*arguments):
    values = program.parse(evaluation_task.define_flags, *arguments)
    source = evaluation_task.make_source(values)
    return evaluation_task.make_task(values, source, ByteTokenizer(), 32)


class _Dataset:
    """A dataset that is there."""

    def __init__(self, name, split, field, errors):
        self.name, self.split = name, split

    def documents(self):
        yield from ("one two three\n", "three four\n")


@pytest.mark.parametrize(
    ("suite", "count"), [("lambada", "items"), ("text", "documents")]
)
def test_texts_of_a_dataset(suite, count, monkeypatch):
    monkeypatch.setattr(evaluation_task, "TensorFlowDataset", _Dataset)
    task = _task("--tfds=lambada", f"--suite={suite}")
    assert task.counts[count] == 2
    assert task.passages[1].where.startswith("lambada test, text 2")


def test_choices_are_not_read_from_a_dataset(monkeypatch):
    monkeypatch.setattr(evaluation_task, "TensorFlowDataset", _Dataset)
    with pytest.raises(ValueError, match="from files: give `text`"):
        _task("--tfds=lambada", "--suite=hellaswag")


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"", [], "2 tokens or more. Received: 0 tokens, no text"),
        (b"\xff", [], "must be UTF-8. .*bad.*, line 1, byte offset 0"),
        (b"one two", ["--stride=0"], "`stride` must be from 1 .*stride=0"),
        (b"one two", ["--stride=33"], "the window of 32 .*stride=33"),
        (b"one two", ["--max_length=33"], "model's 32.*max_length=33"),
        (b"one two", ["--max_length=0"], "from 1 to .*max_length=0"),
        (b"one two", ["--suite=lambada"], "bad, line 1 must be JSON"),
        (b"\n{}", ["--suite=lambada"], "bad, line 2: the field `text` is mis"),
        (b'{"text": 1}', ["--suite=lambada"], "line 1: `text` must be a str"),
        (b'{"text": "a"}', ["--suite=lambada"], "two words .*bad, line 1"),
        (b"", ["--suite=lambada"], "one text or more"),
        (b"{}", ["--suite=hellaswag"], "line 1: the field `endings` is mis"),
        (b"", ["--suite=hellaswag"], "one item or more"),
        (b"", ["--suite=lambada", "--stride=2"], "running text.*stride=2"),
        (b"", ["--suite=hellaswag", "--detokenizer=ptb"], "detokenizer=ptb"),
        (b"a", ["--tfds=lambada"], "Either `text` or `tfds`.*both"),
    ],
)
def test_bad_input_is_named(tmp_path, content, arguments, message):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        _task(f"--text={tmp_path}/bad", *arguments)


def test_bytes_that_are_not_utf8_can_be_accepted(tmp_path):
    (tmp_path / "bad").write_bytes(b"one two\xff")
    task = _task(f"--text={tmp_path}/bad", "--errors=replace")
    assert task.counts["bytes"] == len("one two\ufffd".encode())


def test_one_source_must_be_given():
    with pytest.raises(ValueError, match="`text` or `tfds`.*neither"):
        _task()


def test_files_are_texts_of_their_own(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text({"b": ""}.get(name, f"{name} one\n"))
    task = _task(f"--text={tmp_path}/*")
    assert task.counts["documents"] == len(task.passages) == 2
    assert [passage.where for passage in task.passages] == [
        f"{tmp_path}/{name}, from token 1" for name in "ac"
    ]
