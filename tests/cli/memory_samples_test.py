"""Tests of `gpt_keras.cli.memory_samples`."""

import threading

from gpt_keras.cli import memory_samples
from gpt_keras.cli.memory_samples import MemorySamples

MIB = 2**20


def test_figures_are_of_what_came_after_the_memory_settled(monkeypatch):
    monkeypatch.setattr(memory_samples, "SETTLED", 0.0)
    monkeypatch.setattr(memory_samples, "_PERIOD", 0.001)
    sizes = [3 * MIB, None, 7 * MIB, 5 * MIB]
    are_read = threading.Event()

    def measure():
        if sizes:
            return sizes.pop(0)
        are_read.set()
        return None

    with MemorySamples(measure) as samples:
        assert are_read.wait(30)
    assert samples.figures() == {"settled": 3.0, "most_after": 7.0, "end": 5.0}


def test_too_short_a_time_has_no_figures():
    with MemorySamples(lambda: MIB) as samples:
        pass
    assert set(samples.figures().values()) == {None}
