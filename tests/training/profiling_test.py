"""Tests of `gpt_keras.training.profiling`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.training.profiling import Profile
from gpt_keras.training.profiling import parse_range


class Recorded(list):
    """Stands for the profiler: when it was started and stopped."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.step = None
        profiler = tf.profiler.experimental
        monkeypatch.setattr(profiler, "start", lambda _: self._add("start"))
        monkeypatch.setattr(profiler, "stop", lambda: self._add("stop"))

    def _add(self, what):
        self.append((what, int(self.step())))


@pytest.fixture
def recorded(monkeypatch):
    return Recorded(monkeypatch)


def test_a_trace_appears(tmp_path):
    _fit(4, Profile(tmp_path, 0, (1, 3)))
    paths = list((tmp_path / "logs").rglob("*.xplane.pb"))
    assert len(paths) == 1 and paths[0].stat().st_size > 1000
    # It has ended, or this would raise.
    tf.profiler.experimental.start(str(tmp_path))
    tf.profiler.experimental.stop()


@pytest.mark.parametrize(
    ("first_step", "steps", "an_execution", "expected"),
    [
        (0, (2, 4), 1, [("start", 2), ("stop", 4)]),
        (0, (0, 1), 1, [("start", 0), ("stop", 1)]),
        # The run ends, or was stopped, within the range.
        (0, (3, 40), 1, [("start", 3), ("stop", 6)]),
        # Executions of several steps: from the first that begins there to the
        # end of the one that comes to the last step.
        (0, (2, 3), 2, [("start", 2), ("stop", 4)]),
        (0, (1, 2), 3, [("start", 3), ("stop", 6)]),
        # A run that goes on from where it was.
        (2, (2, 4), 1, [("start", 2), ("stop", 4)]),
        (3, (2, 4), 1, []),
        (9, (2, 4), 1, []),
        (0, (6, 9), 1, []),
    ],
)
def test_traces_the_range_once(
    tmp_path, recorded, first_step, steps, an_execution, expected
):
    callback = Profile(tmp_path, first_step, steps)
    _fit(6, callback, recorded, first_step, an_execution)
    assert recorded == expected


def test_reads_a_range():
    assert parse_range("") is None
    assert parse_range("10,20") == (10, 20)
    assert parse_range(" 0, 1 ") == (0, 1)


@pytest.mark.parametrize(
    "text", ["10", "10,", "a,b", "20,10", "5,5", "-1,3", "1,2,3", "1.5,2", " "]
)
def test_refuses_what_is_no_range(text):
    with pytest.raises(ValueError, match="two numbers.*Received: '"):
        parse_range(text)


def _fit(steps, callback, recorded=None, first_step=0, an_execution=1):
    """Trains one weight for some steps after those done before."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=an_execution)
    model.optimizer.iterations.assign(first_step)
    if recorded is not None:
        recorded.step = model.optimizer.iterations.numpy
    x = np.ones((steps, 1))
    model.fit(x, x, batch_size=1, verbose=0, callbacks=[callback])
