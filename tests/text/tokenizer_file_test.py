"""`tokenizer.json` comes back as it was, whole, or the fault is named."""

import hashlib
import os
import pathlib

import pytest

from gpt_keras.text import tokenizer_file

CONTENT = {"kind": "character", "characters": "é\n\u2028", "special_tokens": []}


def test_what_is_written_is_read(tmp_path):
    path = tokenizer_file.write(tmp_path / "new" / "folder", CONTENT)
    assert tokenizer_file.read(tmp_path / "new" / "folder") == CONTENT
    data = pathlib.Path(path).read_bytes()
    assert tokenizer_file.fingerprint(CONTENT) == (
        hashlib.sha256(data).hexdigest()
    )


def test_the_fingerprint_is_of_the_content_not_its_order():
    turned = dict(reversed(CONTENT.items()))
    other = {**CONTENT, "characters": "e"}
    fingerprint = tokenizer_file.fingerprint
    assert fingerprint(turned) == fingerprint(CONTENT) != fingerprint(other)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch, step):
    tokenizer_file.write(tmp_path, CONTENT)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        tokenizer_file.write(tmp_path, {**CONTENT, "characters": "x"})
    assert tokenizer_file.read(tmp_path) == CONTENT
    assert os.listdir(tmp_path) == ["tokenizer.json"]


@pytest.mark.parametrize(
    "data, fault",
    [
        (b"", "not valid JSON"),
        (b'{"kind": "char', "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1]", "JSON object"),
        (b'{"version": 1}', "`kind`"),
        (b'{"kind": "character"}', "`version`"),
        (b'{"kind": 5, "version": 1}', "`kind`"),
        (b'{"kind": "character", "version": 2}', "format version 1"),
        (b'{"kind": "a", "kind": "b", "version": 1}', "'kind' comes twice"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(tmp_path, data, fault):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=fault) as error:
        tokenizer_file.read(tmp_path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        tokenizer_file.read(tmp_path)
