"""Tests of `gpt_keras.training.muon`."""

import functools
import json
import pathlib

import keras
import numpy as np
import pytest
from forked_runs import run_each

from gpt_keras.training import muon
from gpt_keras.training.adamw import MatrixAdamW
from gpt_keras.training.muon import Muon
from gpt_keras.training.muon import muon_update

PROGRAM = pathlib.Path(__file__).with_name("muon_program.py")
MATRICES = {"fused/kernel": 3, "wide/kernel": 1, "tall/kernel": 1}
SHAPES = {
    "fused/kernel": (6, 18),
    "wide/kernel": (6, 10),
    "tall/kernel": (10, 6),
    "embedding/embeddings": (9, 6),
    "embedding_of_wide/kernel": (6, 10),
    "wide/bias": (10,),
}
OPTIONS = dict(learning_rate=0.02, weight_decay=0.1, beta_2=0.99)


def _variables():
    rng = np.random.default_rng(0)
    return [_variable(path, rng) for path in SHAPES]


def _variable(path, rng):
    scope, name = path.split("/")
    with keras.name_scope(scope):
        value = rng.normal(size=SHAPES[path]).astype("float32")
        return keras.Variable(value, name=name)


def _gradients(count=4):
    rng = np.random.default_rng(1)
    return [
        [rng.normal(size=shape).astype("float32") for shape in SHAPES.values()]
        for _ in range(count)
    ]


def _steps(optimizer, variables, steps):
    for gradients in steps:
        optimizer.apply(
            [keras.ops.convert_to_tensor(g) for g in gradients], variables
        )


def _reference_update(direction):
    """The polynomials, in float64 and on one matrix, by their definition."""
    x = direction / np.sqrt((direction**2).sum())
    for a, b, c in (
        (8.3837, -24.7659, 18.3571),
        (4.0434, -3.0114, 0.5695),
        (3.5056, -2.6267, 0.5257),
        (2.4901, -1.8343, 0.4368),
    ):
        x = a * x + b * (x @ x.T) @ x + c * (x @ x.T) @ (x @ x.T) @ x
    return x * 0.2 * np.sqrt(max(x.shape))


def _reference(value, gradients, parts):
    """Muon on one variable, in float64."""
    momentum = np.zeros(value.shape)
    value = value.astype("float64")
    for gradient in gradients:
        momentum = 0.95 * momentum + gradient
        ahead = gradient + 0.95 * momentum
        update = [_reference_update(part) for part in np.split(ahead, parts, 1)]
        value = value * (1 - 0.02 * 0.1) - 0.02 * np.concatenate(update, 1)
    return value


def test_matrices_take_the_steps_of_the_reference():
    variables, steps = _variables(), _gradients()
    before = [np.array(variable) for variable in variables]
    _steps(Muon(**OPTIONS, matrices=MATRICES), variables, steps)
    for index, parts in enumerate(MATRICES.values()):
        gradients = [step[index] for step in steps]
        expected = _reference(before[index], gradients, parts)
        np.testing.assert_allclose(variables[index], expected, atol=2e-5)


def test_all_others_take_the_steps_of_adamw():
    ours, theirs = _variables(), _variables()
    _steps(Muon(**OPTIONS, matrices=MATRICES), ours, _gradients())
    _steps(MatrixAdamW(**OPTIONS), theirs, _gradients())
    same = [np.array_equal(*pair) for pair in zip(ours, theirs, strict=True)]
    assert same == [False, False, False, True, True, True]


@pytest.mark.parametrize("shape", [(16, 16), (16, 40), (40, 16), (3, 16, 24)])
def test_singular_values_become_about_equal(shape):
    """The polynomial takes each into the range where it settles, about 1."""
    direction = np.random.default_rng(2).normal(size=shape) * 1e-3
    direction[..., 0] *= 30
    update = np.array(muon_update(direction.astype("float32")))
    values = np.linalg.svd(update, compute_uv=False)
    values = values / (0.2 * max(shape[-2:]) ** 0.5)
    assert 0.3 < values.min() and values.max() < 1.21
    size = np.sqrt((update**2).mean())
    assert 0.14 < size < 0.24  # as that of AdamW's updates


@pytest.mark.parametrize("shape", [(6, 11), (6, 24), (24, 6)])
def test_wide_matrices_are_as_by_the_definition(shape):
    """From twice as wide as high on they go another way."""
    direction = np.random.default_rng(3).normal(size=shape)
    wide = direction if shape[0] < shape[1] else direction.T
    expected = _reference_update(wide)
    update = np.array(muon_update(direction.astype("float32")))
    update = update if shape[0] < shape[1] else update.T
    np.testing.assert_allclose(update, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("most", [0, 70, 10**6])
def test_how_many_are_taken_together_changes_nothing(monkeypatch, most):
    monkeypatch.setattr(muon, "_MOST_TOGETHER", most)
    together, alone = _variables(), _variables()
    for variables in (together, alone):
        optimizer = Muon(**OPTIONS, matrices=MATRICES)
        if variables is alone:
            monkeypatch.setattr(muon, "_has_strategy", lambda: True)
        _steps(optimizer, variables, _gradients())
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_gradient_of_zeros_moves_nothing():
    np.testing.assert_array_equal(muon_update(np.zeros((3, 4), "float32")), 0)


def test_muons_matrices_have_one_slot():
    optimizer, variables = Muon(**OPTIONS, matrices=MATRICES), _variables()
    for _ in range(2):
        optimizer.build(variables)
    assert len(optimizer.variables) == 2 + 3 + 2 * 3
    parts = [optimizer.num_matrices(variable) for variable in variables]
    assert parts == [3, 1, 1, 0, 0, 0]


def test_it_is_the_same_after_loading():
    ours, theirs = _variables(), _variables()
    optimizer = Muon(**OPTIONS, matrices=MATRICES, momentum=0.8)
    saved = json.loads(json.dumps(keras.optimizers.serialize(optimizer)))
    again = keras.optimizers.deserialize(saved)
    assert isinstance(again, Muon)
    _steps(optimizer, ours, _gradients())
    _steps(again, theirs, _gradients())
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("matrices", [{"wide/kernel": 3}, {"wide/bias": 1}])
def test_what_is_no_row_of_matrices_is_refused(matrices):
    with pytest.raises(ValueError, match="equal matrices side by side.*shape="):
        Muon(**OPTIONS, matrices=matrices).build(_variables())


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="amsgrad=True"):
        Muon(**OPTIONS, amsgrad=True)


TOLERANCES = {"float32": 1e-5, "mixed_float16": 2e-3}


@functools.cache
def _found():
    runs = [
        {"replicas": replicas, "dtype": dtype}
        for dtype in TOLERANCES
        for replicas in (1, 2)
    ]
    found = run_each(PROGRAM, runs)
    assert not any("error" in x for x in found), found
    return dict(
        zip(TOLERANCES, zip(found[::2], found[1::2], strict=True), strict=True)
    )


@pytest.mark.parametrize("dtype, tolerance", TOLERANCES.items())
def test_two_replicas_walk_as_one(dtype, tolerance):
    one, two = _found()[dtype]
    assert one["losses"][-1] < one["losses"][0] - 0.1
    for name in ("losses", "fused", "momentum"):
        np.testing.assert_allclose(two[name], one[name], atol=tolerance)
    assert two["replicas_differ"] == 0
