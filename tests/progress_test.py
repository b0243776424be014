"""Tests of `gpt_keras.progress`: bars on a terminal, lines elsewhere."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from terminal_testing import on_terminal

from gpt_keras import progress

PATHS = os.pathsep.join(sys.path)
SMALL = (
    sys.executable,
    str(pathlib.Path(__file__).parent / "cli/small_program.py"),
)


def test_a_terminal_has_a_bar_with_speed_and_time_left():
    status, text = on_terminal([*SMALL, "--do=count"], PYTHONPATH=PATHS)
    assert status == 0
    assert "Counting 100%" in text and "40/40" in text
    assert re.search(r"\d\d:\d\d left, at 40, +[\d.]+ tokens/s", text)
    assert "\x1b[32m" in text  # green
    _, text = on_terminal(
        [*SMALL, "--do=count"], PYTHONPATH=PATHS, NO_COLOR="1"
    )
    assert "Counting 100%" in text and "\x1b[32m" not in text


def test_a_file_has_lines():
    result = subprocess.run(
        [*SMALL, "--do=count"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": PATHS},
    )
    line = (
        r"Counting: 40 of 40 tokens, [\d,.]+/s, 00:00 left, "
        r"at 40\n"
    )
    assert re.fullmatch(line, result.stderr)
    assert result.stdout == ""


def test_what_nobody_can_count_says_how_long_it_takes():
    status, text = on_terminal([*SMALL, "--do=load"], PYTHONPATH=PATHS)
    assert status == 0
    assert "Loading it … 00:00" in text
    assert text.endswith("done\n")


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by `clock.now`."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_line_comes_every_fifteen_seconds(clock, capsys):
    with progress.Progress("Evaluating", unit="tokens") as one:
        for seconds in range(0, 40, 2):
            clock.now = 100.0 + seconds
            one.show(1_000 + 10 * seconds, 2_000)
    first, second, last = capsys.readouterr().err.splitlines()
    # What was there at the first call took no time here.
    assert first == "Evaluating: 1,160 of 2,000 tokens, 10.0/s, 01:24 left"
    assert second == "Evaluating: 1,320 of 2,000 tokens, 10.0/s, 01:08 left"
    assert last.startswith("Evaluating: 1,380 of 2,000 tokens")


@pytest.mark.parametrize("is_silent", [False, True])
def test_what_is_short_or_silent_says_nothing(clock, capsys, is_silent):
    delay = 0.0 if is_silent else 2.0
    with progress.Progress("a", 9, delay=delay, is_silent=is_silent) as one:
        one.show(4)
        clock.now += 100 if is_silent else 1
        one.show(9)
    assert capsys.readouterr().err == ""
