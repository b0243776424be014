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


@pytest.mark.parametrize(
    "replicas, tolerance, options",
    [
        (2, 1e-5, {"optimizer": "adamw"}),
        (4, 1e-5, {"optimizer": "adamw"}),
        # 61 rows: the last batch is partial, and a replica may be empty.
        (
            2,
            1e-5,
            {
                "optimizer": "muon",
                "microbatches": 2,
                "ema_decay": 0.9,
                "rows": 61,
            },
        ),
        (
            2,
            1e-5,
            {
                "optimizer": "sgd",
                "jit_compile": True,
                "chunk_tokens": 10,
                "rows": 57,
            },
        ),
        # 11 bits: rounding differs between one sum and two.
        (2, 2e-3, {"dtype": "mixed_float16", "spike_sigmas": 6.0}),
    ],
    ids=["two", "four", "everything", "xla", "float16"],
)
def test_replicas_walk_as_one(replicas, tolerance, options):
    """Clipping, decay, unequal weights and an empty replica included."""
    one = _run(replicas=1, **options)
    many = _run(replicas=replicas, **options)
    np.testing.assert_allclose(many["losses"], one["losses"], atol=tolerance)
    np.testing.assert_allclose(
        many["evaluated"], one["evaluated"], atol=tolerance
    )
    np.testing.assert_allclose(
        many["weight"], one["weight"], atol=10 * tolerance
    )
    assert many["skipped"] == one["skipped"] == 0
    assert one["losses"][-1] < one["losses"][0] - 0.01


def test_a_loss_of_the_users_own_walks_as_one_too():
    """Where the tokens are spread evenly, or a mean of means is another."""
    one = _run(replicas=1, loss=True, optimizer="sgd")
    two = _run(replicas=2, loss=True, optimizer="sgd")
    np.testing.assert_allclose(two["losses"], one["losses"], atol=1e-5)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_bad_step_is_left_out_whole(replicas):
    with_it = _run(replicas=replicas, bad_step=3)
    assert with_it["skipped"] == 2  # in two epochs
    finite = np.delete(with_it["losses"], [3, 11])
    assert np.isfinite(finite).all() and np.isfinite(with_it["weight"]).all()
    assert with_it["iterations"] == 16
    without = _run(replicas=1)
    np.testing.assert_allclose(finite[:3], without["losses"][:3], atol=1e-5)


def test_dropout_differs_between_replicas():
    first, second = _run(replicas=2, rate=0.3)["dropped"]
    assert first != second
