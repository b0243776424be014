"""Tests of `gpt_keras.training.exact_step`: 1 replica = N replicas."""

import functools
import json
import pathlib

import numpy as np
import pytest
from forked_runs import run_each

# The first test waits for all that the module asks: on a loaded machine, long.
pytestmark = pytest.mark.timeout(1800)
PROGRAM = pathlib.Path(__file__).with_name("replicas_program.py")
# Replicas to compare with one, tolerance, options.
PARITY = {
    "two": (2, 1e-5, {"optimizer": "adamw"}),
    "four": (4, 1e-5, {"optimizer": "adamw"}),
    # 61 rows: the last batch is partial, and a replica may be empty.
    "everything": (
        2,
        1e-5,
        {"optimizer": "muon", "microbatches": 2, "ema_decay": 0.9, "rows": 61},
    ),
    "xla": (
        2,
        1e-5,
        {
            "optimizer": "sgd",
            "jit_compile": True,
            "chunk_tokens": 10,
            "rows": 57,
        },
    ),
    "adapters": (
        2,
        1e-5,
        {"lora_rank": 4, "microbatches": 2, "ema_decay": 0.9, "rows": 61},
    ),
    "documents": (2, 1e-5, {"documents": True, "microbatches": 2}),
    # 11 bits: rounding differs between one sum and two.
    "float16": (2, 2e-3, {"dtype": "mixed_float16", "spike_sigmas": 6.0}),
}
OWN_LOSS = {"loss": True, "optimizer": "sgd"}
RUNS = [
    *(
        {"replicas": replicas, **options}
        for many, _, options in PARITY.values()
        for replicas in (1, many)
    ),
    *({"replicas": replicas, **OWN_LOSS} for replicas in (1, 2)),
    *({"replicas": replicas, "bad_step": 3} for replicas in (1, 2)),
    {"replicas": 1},
    {"replicas": 2, "rate": 0.3},
]


@functools.cache
def _found():
    """Runs all of it; what is in the table twice, once."""
    keys = list(dict.fromkeys(map(json.dumps, RUNS)))
    found = run_each(PROGRAM, [json.loads(key) for key in keys])
    return dict(zip(keys, found, strict=True))


def _run(**options):
    found = _found()[json.dumps(options)]
    assert "error" not in found, found
    return found


@pytest.mark.parametrize("name", PARITY)
def test_replicas_walk_as_one(name):
    """Clipping, decay, unequal weights and an empty replica included."""
    replicas, tolerance, options = PARITY[name]
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
    one, two = (_run(replicas=replicas, **OWN_LOSS) for replicas in (1, 2))
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
