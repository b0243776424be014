"""Tests of which files a pattern means."""

import os

import pytest

from gpt_keras.data.file_patterns import matching_files
from gpt_keras.data.file_patterns import sizes_of
from gpt_keras.data.file_patterns import split_patterns


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.txt", "a.txt", "in/c.txt", "[x].txt", "d.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.txt", ["a.txt"]),
        ("[x].txt", ["[x].txt"]),  # it is there, so that it is no pattern
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("b.txt, a.txt,./a.txt", ["a.txt", "b.txt"]),
        ("**/*.txt", ["[x].txt", "a.txt", "b.txt", "in/c.txt"]),
    ],
)
def test_each_file_once_and_sorted(folder, pattern, names):
    assert matching_files(pattern) == names


@pytest.mark.parametrize("pattern", ["*.csv", "a.txt,*.csv", "", "none.txt"])
def test_a_pattern_without_files_is_named(folder, pattern):
    with pytest.raises(FileNotFoundError, match="No files match"):
        matching_files(pattern)


def test_a_folder_is_no_file(folder):
    with pytest.raises(IsADirectoryError, match="'in/\\*\\*/\\*.txt'"):
        matching_files("in")


def test_commas_part_patterns():
    assert split_patterns(" a , ,b,") == ["a", "b"]


def test_sizes_stand_under_names_below_the_common_folder(folder):
    paths = [os.path.join(folder, name) for name in ("a.txt", "in/c.txt")]
    assert sizes_of(paths) == {"a.txt": 5, "in/c.txt": 8}
