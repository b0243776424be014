"""Tests of `gpt_keras.files`."""

import os
import pathlib

import pytest

from gpt_keras.files import new_folder
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


def test_a_folder_gets_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "new"
    with new_folder(path) as folder:
        (pathlib.Path(folder) / "a").write_text("x")
        assert not path.exists()
    assert (path / "a").read_text() == "x"
    assert list(path.parent.iterdir()) == [path]
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as folder:
        (pathlib.Path(folder) / "a").touch()
    assert (tmp_path / "empty" / "a").exists()


def test_a_failure_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="broken"):
        with new_folder(tmp_path / "new") as folder:
            (pathlib.Path(folder) / "a").touch()
            raise ValueError("broken")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_kept(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a").touch()
    for path in (tmp_path / "old", tmp_path / "old" / "a"):
        with pytest.raises(FileExistsError, match="must be a new folder"):
            with new_folder(path):
                pass
    assert [x.name for x in tmp_path.rglob("*")] == ["old", "a"]
