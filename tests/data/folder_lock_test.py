"""One process at a time writes into a folder."""

import pytest

from gpt_keras.data import folder_lock
from gpt_keras.data.folder_lock import LOCK
from gpt_keras.data.folder_lock import FolderLock


def test_a_second_one_is_kept_out_until_the_first_ends(tmp_path):
    first, second = (FolderLock(tmp_path / "new") for _ in range(2))
    first.take()
    first.take()  # it has it already
    with pytest.raises(ValueError, match="new'.*another one does"):
        second.take()
    assert first.is_taken and not second.is_taken
    first.release()
    second.take()
    assert second.is_taken


def test_a_lock_whose_file_is_gone_is_none(tmp_path, monkeypatch):
    """The first one removes it and ends, while the second waits to open it."""
    lock = FolderLock(tmp_path)
    flock = folder_lock.fcntl.flock

    def late(file, operation):
        (tmp_path / LOCK).unlink()
        flock(file, operation)

    monkeypatch.setattr(folder_lock.fcntl, "flock", late)
    with pytest.raises(ValueError, match="another one does"):
        lock.take()


def test_where_files_cannot_be_locked_nobody_is_kept_out(tmp_path, monkeypatch):
    def refuse(file, operation):
        raise OSError(95, "not supported")

    monkeypatch.setattr(folder_lock.fcntl, "flock", refuse)
    FolderLock(tmp_path).take()
    monkeypatch.setattr(folder_lock, "fcntl", None)
    FolderLock(tmp_path).take()
