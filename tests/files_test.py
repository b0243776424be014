"""Tests of `gpt_keras.files`."""

import os

import pytest

from gpt_keras.files import write_atomically


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, "一")
    write_atomically(path, "二")
    assert path.read_text(encoding="utf-8") == "二"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_folders_are_made_and_a_file_is_none(tmp_path):
    path = tmp_path / "new" / "a.json"
    write_atomically(path, b"bytes")
    assert path.read_bytes() == b"bytes"
    with pytest.raises(OSError, match="a.json"):
        write_atomically(path / "b.json", "")
