"""Tests of `gpt_keras.training.exact_step`: 1 replica = N replicas."""

import functools
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

PROGRAM = pathlib.Path(__file__).with_name("replicas_program.py")


@functools.cache
def _run(**options):
    """Trains in a process of its own; a strategy sticks to its process."""
    result = subprocess.run(
        [sys.executable, PROGRAM, json.dumps(options)],
        capture_output=True,
        text=True,
        cwd=PROGRAM.parents[2],
        env=_environment(),
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


def _environment():
    import os

    path = os.pathsep.join([str(PROGRAM.parents[2]), *sys.path])
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_two_replicas_walk_as_one(optimizer):
    """Clipping, decay, unequal weights and an empty replica included."""
    one = _run(replicas=1, optimizer=optimizer)
    two = _run(replicas=2, optimizer=optimizer)
    np.testing.assert_allclose(two["losses"], one["losses"], atol=1e-5)
    np.testing.assert_allclose(two["evaluated"], one["evaluated"], atol=1e-5)
    np.testing.assert_allclose(two["weight"], one["weight"], atol=1e-4)
    assert one["losses"][-1] < one["losses"][0] - 0.01


def test_a_loss_of_the_users_own_walks_as_one_too():
    """Where the tokens are spread evenly, or a mean of means is another."""
    one = _run(replicas=1, loss=True, optimizer="sgd")
    two = _run(replicas=2, loss=True, optimizer="sgd")
    np.testing.assert_allclose(two["losses"], one["losses"], atol=1e-5)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_bad_step_is_left_out_whole(replicas):
    with_it = _run(replicas=replicas, bad_step=3)
    assert np.isnan(with_it["losses"][3])
    finite = np.delete(with_it["losses"], [3, 11])
    assert np.isfinite(finite).all() and np.isfinite(with_it["weight"]).all()
    assert with_it["iterations"] == 16
    without = _run(replicas=1)
    np.testing.assert_allclose(finite[:3], without["losses"][:3], atol=1e-5)


def test_dropout_differs_between_replicas():
    first, second = _run(replicas=2, rate=0.3)["dropped"]
    assert first != second
