"""What stock Keras does otherwise on several replicas, and this project not."""

import functools
import pathlib

import numpy as np
import pytest
from forked_runs import run_each

# The first test waits for all that the module asks: on a loaded machine, long.
pytestmark = pytest.mark.timeout(1800)
PROGRAM = pathlib.Path(__file__).with_name("replicas_fault_program.py")
RUNS = [
    ("clip", "stock", 1),
    ("clip", "stock", 2),
    ("clip", "ours", 1),
    ("clip", "ours", 2),
    ("uneven", "stock", 1),
    ("uneven", "stock", 2),
    ("uneven", "ours", 1),
    ("uneven", "ours", 2),
    ("accumulation", "stock", 2),
    ("accumulation", "ours", 2),
    ("average", "stock", 2),
    ("average", "ours", 2),
    ("microbatches", "ours", 1),
    ("microbatches", "ours", 2),
    ("xla", "stock", 2),
    ("xla", "ours", 1),
    ("xla", "ours", 2),
    ("several steps", "stock", 2),
    ("several steps", "ours", 2),
    ("deterministic, xla", "stock", 1),
    ("deterministic, xla", "ours", 1),
    ("Execution", "ours", 1),
    ("Execution", "ours", 2),
    ("odd", "stock", 2),
    ("odd", "ours", 1),
    ("odd", "ours", 2),
    ("odd, metrics", "ours", 2),
    ("masks", "stock", 2),
    ("masks", "ours", 2),
    ("order", "stock", 2),
    ("order", "ours", 2),
]


@functools.cache
def _found():
    options = [
        {"name": name, "kind": kind, "replicas": replicas}
        for name, kind, replicas in RUNS
    ]
    return dict(zip(RUNS, run_each(PROGRAM, options), strict=True))


def _losses(name, kind, replicas):
    found = _found()[name, kind, replicas]
    assert "losses" in found, found
    return np.array(found["losses"])


def _difference(name, kind):
    """How far the losses of 1 and of 2 replicas lie apart."""
    one, two = (_losses(name, kind, replicas) for replicas in (1, 2))
    return np.abs(one - two).max()


def _error(name, kind, replicas=2):
    return _found()[name, kind, replicas].get("error", "")


@pytest.mark.parametrize("name", ["clip", "uneven"])
def test_the_same_batch_is_the_same_step(name):
    """A clipped gradient; tokens spread unevenly."""
    assert _difference(name, "ours") < 1e-5
    assert _difference(name, "stock") > 1e-3


@pytest.mark.parametrize(
    "name, ours", [("accumulation", "microbatches"), ("average", "ema_decay")]
)
def test_what_keras_fails_at_has_a_way_of_ours(name, ours):
    assert "merge_call" in _error(name, "stock")
    assert f"compile({ours}=…)" in _error(name, "ours")
    assert _difference("microbatches", "ours") < 1e-5


def test_xla_on_two_replicas():
    assert "device" in _error("xla", "stock")
    assert _difference("xla", "ours") < 1e-5


def test_several_steps_in_an_execution_on_two_replicas():
    assert _error("several steps", "stock")
    assert "training.execution.Execution" in _error("several steps", "ours")
    assert _difference("Execution", "ours") < 1e-5


def test_determinism_takes_no_xla_away():
    """Stock Keras turns it off, silently."""
    assert not _found()["deterministic, xla", "stock", 1]["compiled"]
    assert _found()["deterministic, xla", "ours", 1]["compiled"]


def test_a_first_batch_that_does_not_divide():
    assert "AddN" in _error("odd", "stock")
    assert _difference("odd", "ours") < 1e-5
    assert "losses" in _found()["odd, metrics", "ours", 2]


def test_replicas_drop_other_units():
    first, second = _found()["masks", "stock", 2]["kept"]
    assert first == second
    first, second = _found()["masks", "ours", 2]["kept"]
    assert first != second


def test_a_dataset_is_the_same_however_often_it_is_started():
    """A strategy and `fit` start it more often than there are epochs."""
    stock, ours = (_found()["order", kind, 2] for kind in ("stock", "ours"))
    assert stock["seen"] != stock["given"]
    assert ours["seen"] == ours["given"]
