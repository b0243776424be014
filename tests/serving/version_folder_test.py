"""Tests of the writing of version folders."""

import errno
import os
import threading

import pytest
import tensorflow as tf

from gpt_keras.serving.version_folder import write_next_version


def write_model(folder):
    os.mkdir(os.path.join(folder, "variables"))
    for name in ("saved_model.pb", "variables/variables.index"):
        with open(os.path.join(folder, name), "w") as file:
            file.write(name)


def files_of(folder):
    return sorted(
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, names in os.walk(folder)
        for name in names
    )


def test_versions_count_up(tmp_path):
    directory = tmp_path / "models" / "gpt"
    for number in (1, 2, 3):
        path = write_next_version(directory, write_model)
        assert path == str(directory / str(number))
        assert files_of(path) == ["saved_model.pb", "variables/variables.index"]
    assert sorted(os.listdir(directory)) == ["1", "2", "3"]


def test_the_largest_number_counts(tmp_path):
    for name in ("1", "9", "10", "tmp", "11.old", "-12", "²"):
        (tmp_path / name).mkdir()
    path = write_next_version(str(tmp_path), write_model)
    assert path == str(tmp_path / "11")


def test_a_server_never_sees_half_a_model(tmp_path):
    def write(folder):
        write_model(folder)
        assert os.path.dirname(folder) == str(tmp_path)
        assert not any(name.isdigit() for name in os.listdir(tmp_path))

    write_next_version(tmp_path, write)
    assert os.listdir(tmp_path) == ["1"]


def test_others_may_read_the_version(tmp_path):
    mask = os.umask(0o022)
    try:
        path = write_next_version(tmp_path, write_model)
    finally:
        os.umask(mask)
    assert os.stat(path).st_mode & 0o777 == 0o755


def test_exports_at_the_same_time_get_their_own_numbers(tmp_path):
    barrier = threading.Barrier(4)
    paths = []

    def write(folder):
        write_model(folder)
        barrier.wait(60)

    def export():
        paths.append(write_next_version(tmp_path, write))

    threads = [threading.Thread(target=export, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(paths) == [str(tmp_path / str(n)) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("no")])
def test_a_failure_leaves_nothing_behind(tmp_path, error):
    def write(folder):
        write_model(folder)
        raise error

    kept = write_next_version(tmp_path / "old", write_model)
    for directory in (tmp_path / "old", tmp_path / "new" / "gpt"):
        with pytest.raises(
            type(error) if isinstance(error, Exception) else error
        ):
            write_next_version(directory, write)
    assert os.listdir(tmp_path) == ["old"]
    assert os.listdir(tmp_path / "old") == ["1"]
    assert len(files_of(kept)) == 2


@pytest.mark.parametrize(
    "error, number",
    [
        (OSError(errno.ENOSPC, "No space left on device"), errno.ENOSPC),
        (tf.errors.ResourceExhaustedError(None, None, "full"), errno.ENOSPC),
        (tf.errors.PermissionDeniedError(None, None, "no"), errno.EACCES),
        (tf.errors.UnknownError(None, None, "what"), errno.EIO),
    ],
)
def test_errors_of_the_disk_name_the_folder(tmp_path, error, number):
    def write(folder):
        write_model(folder)
        raise error

    with pytest.raises(OSError, match="can't be written") as raised:
        write_next_version(tmp_path / "gpt", write)
    assert raised.value.errno == number
    assert raised.value.filename == str(tmp_path / "gpt")
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "gpt").write_text("not a folder")
    with pytest.raises(OSError, match="can't be written"):
        write_next_version(tmp_path / "gpt", write_model)
    with pytest.raises(OSError, match="can't be written"):
        write_next_version(tmp_path / "gpt" / "below", write_model)
    assert (tmp_path / "gpt").read_text() == "not a folder"
