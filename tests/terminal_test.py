"""Tests of `gpt_keras.terminal`."""

import io

from gpt_keras import terminal


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_what_is_no_terminal_stays_plain(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    closed = io.StringIO()
    closed.close()
    for stream in (io.StringIO(), None, closed):
        assert not terminal.is_terminal(stream)
        assert terminal.styled("text", "red", stream) == "text"
    assert terminal.styled("text", "red", _Terminal()) == "\x1b[31mtext\x1b[0m"


def test_no_color_counts_when_it_is_not_empty(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "")
    assert terminal.has_colours(_Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.has_colours(_Terminal())
