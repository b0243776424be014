"""Tests of `gpt_keras.cli.process_memory`."""

import pytest

from gpt_keras.cli.process_memory import memory
from gpt_keras.cli.process_memory import reset_peak


def test_memory_that_is_taken_is_seen():
    before = memory("RssAnon")
    taken = bytearray(64 * 2**20)
    taken[::4096] = b"x" * len(taken[::4096])  # every page is touched
    after = memory("RssAnon")
    assert after - before > 60 * 2**20
    assert memory("VmHWM") >= memory("VmRSS") >= after
    del taken


def test_the_peak_begins_anew():
    taken = bytearray(b"x" * 2**26)
    high = memory("VmHWM")
    del taken
    reset_peak()
    assert memory("VmHWM") <= high


def test_a_figure_that_is_none_is_refused():
    with pytest.raises(ValueError):
        memory("VmNothing")
