"""Tests of `gpt_keras.weights.assignment`."""

import os
import sys

import keras
import limited_process
import numpy as np
import pytest

from gpt_keras.weights import assignment


def _read(arrays):
    return lambda name: assignment.blocks_of(arrays[name])


def test_large_tensors_go_in_by_blocks(monkeypatch):
    monkeypatch.setattr(assignment, "_BLOCK_BYTES", 100)
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(17, 9)), "b": rng.normal(size=50)}
    arrays = {name: x.astype("float32") for name, x in arrays.items()}
    arrays["c"] = arrays["a"].T
    variables = {
        name: keras.Variable(np.zeros_like(x)) for name, x in arrays.items()
    }
    assignment.assign_all(variables, _read(arrays), "here")
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable, arrays[name])


_REPLICAS = """
import keras
import numpy as np
from gpt_keras.training.strategy import choose_strategy
from gpt_keras.weights.assignment import assign_all
from gpt_keras.weights.assignment import blocks_of

with choose_strategy(2).scope():
    variable = keras.Variable(np.zeros((3, 4), "float32"))
value = np.arange(12, dtype="float32").reshape(3, 4)
assign_all({"w": variable}, lambda name: blocks_of(value), "here")
parts = [part.numpy() for part in variable.value.values]
assert len(parts) == 2 and all((part == value).all() for part in parts)
"""


def test_every_replica_gets_the_values():
    # In a process of its own: TensorFlow's devices can't be split later.
    result = limited_process.run(
        [sys.executable, "-c", _REPLICAS],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


def test_what_is_not_finite_is_named_in_any_block(monkeypatch):
    monkeypatch.setattr(assignment, "_BLOCK_BYTES", 16)
    value = np.zeros((9, 2), "float32")
    value[8, 1] = np.nan
    with pytest.raises(ValueError, match="'w' in 'here' must be finite"):
        assignment.check_finite("w", value, "here")


def test_names_that_differ_are_listed_but_not_without_end():
    with pytest.raises(ValueError, match="Missing: c. Additional: none"):
        assignment.check_names("abc", "ab", "here")
    with pytest.raises(ValueError, match="0, 1, 2.* and 5 more"):
        assignment.check_names(
            [], [f"{number:x}" for number in range(15)], "here"
        )
