"""Tests of partial results: what a kill leaves is used, damage is told."""

import resource

import pytest

from gpt_keras.evaluation.partial_results import PartialResults
from gpt_keras.evaluation.task import PassageScore

SAME = {"format": "1", "the settings": "{}"}
FIRST = {3: PassageScore(-1.1, 2, True), 0: PassageScore(-1 / 3, 0, False)}
SECOND = {1: PassageScore(-2.0, 1, False)}


@pytest.fixture(name="path")
def _path(tmp_path):
    """A file of two batches, in a folder that was not there."""
    path = tmp_path / "new" / "suite.partial"
    partial = PartialResults(path, SAME)
    partial.append(FIRST)
    partial.append(SECOND)
    assert partial.scores == FIRST | SECOND
    return path


def _scores(path, identity=SAME):
    return PartialResults(path, identity).scores


def test_scores_come_back_bit_for_bit(path):
    assert _scores(path) == FIRST | SECOND
    assert isinstance(_scores(path)[3], PassageScore)


def test_a_line_that_was_cut_short_is_taken_off(path):
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        expected = {}
        if size >= len(lines[0] + lines[1]):
            expected = FIRST
        assert _scores(path) == expected
        PartialResults(path, SAME).append(SECOND)
        assert _scores(path) == expected | SECOND


def test_another_evaluation_is_named_by_what_differs(path):
    with pytest.raises(ValueError) as raised:
        _scores(path, {"format": "1", "the settings": "{1}", "more": "x"})
    assert str(raised.value) == (
        f"{str(path)!r} holds the beginning of another evaluation. Go on with "
        "that one, or remove the file. Received: more: None there, x now; "
        "the settings: {} there, {1} now"
    )


@pytest.mark.parametrize(
    ("line", "damage"),
    [
        (0, b"[]"),
        (0, b"{"),
        (1, b"\xff"),
        (1, b"{}x"),
        (1, b"3"),
        (1, b"[1]"),
        (1, b"[[0, -1.0, 2]]"),
        (1, b'[[0, "x", 2, true]]'),
        (1, b"[[0, null, 2, true]]"),
    ],
)
def test_damage_is_named_by_its_line(path, line, damage):
    lines = path.read_bytes().splitlines()
    lines[line] = damage
    path.write_bytes(b"\n".join([*lines, b""]))
    with pytest.raises(ValueError) as raised:
        _scores(path)
    assert str(raised.value).endswith(f"Line {line + 1} is damaged")
    assert str(path) in str(raised.value)


def test_a_full_disk_is_named_and_what_is_there_stays(path):
    partial = PartialResults(path, SAME)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
    try:
        with pytest.raises(OSError) as raised:
            partial.append({9: SECOND[1]})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(path) in str(raised.value)
    assert _scores(path) == FIRST | SECOND


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        PartialResults(tmp_path / "file" / "p", SAME)
