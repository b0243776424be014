"""What was verified is not read again until it changes."""

import hashlib
import json
import os
import shutil

import pytest

from gpt_keras.data import verification
from gpt_keras.data.verification import VERIFIED
from gpt_keras.data.verification import verify_files


@pytest.fixture
def digests(tmp_path):
    contents = {"a.bin": b"first" * 10, "b.bin": b"second" * 10}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in contents.items()
    }


@pytest.fixture
def settled(monkeypatch):
    """The clock is an hour ahead of the files."""
    time_ns = verification.time.time_ns
    monkeypatch.setattr(
        verification.time, "time_ns", lambda: time_ns() + 3600 * 10**9
    )


def flip(path):
    data = path.read_bytes()
    path.write_bytes(data[:5] + bytes([data[5] ^ 1]) + data[6:])


def test_files_are_read_once(tmp_path, digests, settled):
    assert verify_files(tmp_path, digests) == 110
    assert verify_files(tmp_path, digests) == 0
    assert verify_files(tmp_path, digests, force=True) == 110
    assert verify_files(tmp_path, digests) == 0


def test_a_file_that_changed_is_read_again(tmp_path, digests, settled):
    verify_files(tmp_path, digests)
    os.utime(tmp_path / "a.bin")
    assert verify_files(tmp_path, digests) == 50
    flip(tmp_path / "b.bin")
    with pytest.raises(ValueError, match="b.bin' must have SHA-256"):
        verify_files(tmp_path, digests)
    with pytest.raises(ValueError, match="b.bin"):  # and stays one
        verify_files(tmp_path, digests)


def test_another_digest_is_compared(tmp_path, digests, settled):
    verify_files(tmp_path, digests)
    with pytest.raises(ValueError, match="a.bin"):
        verify_files(tmp_path, digests | {"a.bin": "0" * 64})


def test_a_copy_is_verified_anew(tmp_path, digests, settled):
    verify_files(tmp_path, digests)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob("*.*"):
        shutil.copy2(path, copy)  # with its times
    assert verify_files(copy, digests) == 110


def test_what_was_written_just_now_is_not_remembered(tmp_path, digests):
    """It could change within one tick of the file system's clock."""
    verify_files(tmp_path, digests)
    assert verify_files(tmp_path, digests) == 110


@pytest.mark.parametrize("content", ["", "[]", '{"a.bin": 1}', "{"])
def test_a_broken_record_is_no_record(tmp_path, digests, settled, content):
    (tmp_path / VERIFIED).write_text(content)
    assert verify_files(tmp_path, digests) == 110
    assert json.loads((tmp_path / VERIFIED).read_text()).keys() == {*digests}


def test_a_folder_that_cannot_be_written(
    tmp_path, digests, settled, monkeypatch
):
    def refuse(path, content):
        raise PermissionError(13, "read-only", path)

    monkeypatch.setattr(verification, "write_atomically", refuse)
    assert verify_files(tmp_path, digests) == 110
    assert verify_files(tmp_path, digests) == 110
