"""Tests of the int8 matrix against NumPy's float64."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.serving import int8_matrix
from gpt_keras.serving.int8_matrix import Int8Matrix
from gpt_keras.serving.int8_matrix import quantize_rows

RNG = np.random.default_rng(0)


def make_matrix(rows, columns, dtype="float32"):
    """An `Int8Matrix`, and what it stands for in float64."""
    layer = Int8Matrix(rows, columns, dtype=dtype)
    layer.build()
    layer.assign(RNG.normal(size=(rows, columns)) * 0.02)
    values, scale = layer.get_weights()
    return layer, values * scale.astype(np.float64)[:, None]


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1.0, 1e30])
@pytest.mark.parametrize("draw", [RNG.normal, RNG.standard_cauchy])
def test_each_number_is_half_of_its_rows_scale_off_at_most(size, draw):
    matrix = (draw(size=(40, 33)) * size).astype(np.float32)
    values, scale = quantize_rows(matrix)
    assert (values.dtype, scale.dtype) == (np.int8, np.float32)
    assert (scale.shape, values.shape) == ((40,), (40, 33))
    scale = scale.astype(np.float64)[:, None]
    assert (abs(values * scale - matrix) <= scale / 2 * (1 + 1e-5)).all()
    # The largest number of each row is the largest integer.
    np.testing.assert_array_equal(abs(values.astype(int)).max(-1), 127)
    np.testing.assert_allclose(127 * scale[:, 0], abs(matrix).max(-1))


def test_a_row_does_not_depend_on_the_others():
    matrix = RNG.normal(size=(5, 8))
    values, scale = quantize_rows(matrix)
    matrix[2] *= 1e6
    again, other_scale = quantize_rows(matrix)
    np.testing.assert_array_equal(again, values)
    np.testing.assert_array_equal(np.delete(other_scale - scale, 2), 0)


def test_rows_of_zeros_stay_zeros():
    values, scale = quantize_rows([[0, 0], [1, -2], [1e-44, 0]])
    np.testing.assert_array_equal(values, [[0, 0], [64, -127], [0, 0]])
    assert np.isfinite(scale).all() and (scale > 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match=r"finite.*\(2, 2\) with 1 others"):
        quantize_rows([[1, 2], [value, 3]])


@pytest.mark.parametrize("shape", [(3,), (2, 5), (0, 5), (0,)])
def test_lookup_gives_rows(shape):
    layer, floats = make_matrix(11, 6)
    indices = RNG.integers(0, 11, shape).astype(np.int32)
    rows = layer.lookup(indices)
    np.testing.assert_allclose(rows, floats[indices], rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 64, 65, 200])
@pytest.mark.parametrize("shape", [(6,), (3, 6), (2, 5, 6), (0, 4, 6)])
def test_projections_equal_those_of_the_float_matrix(rows, shape, monkeypatch):
    monkeypatch.setattr(int8_matrix, "_BLOCK_SIZE", 6 * 64)
    layer, floats = make_matrix(rows, 6)
    x = RNG.normal(size=shape).astype(np.float32)
    outputs = layer.project(tf.constant(x))
    assert outputs.shape == (*shape[:-1], rows)
    np.testing.assert_allclose(outputs, x @ floats.T, atol=1e-6)


def test_open_shapes_in_a_graph():
    layer, floats = make_matrix(9, 6)
    project = tf.function(
        layer.project,
        input_signature=[tf.TensorSpec([None, None, 6])],
        autograph=False,
    )
    outputs = project.get_concrete_function().structured_outputs
    assert outputs.shape.as_list() == [None, None, 9]
    x = RNG.normal(size=(2, 3, 6)).astype(np.float32)
    np.testing.assert_allclose(project(x), x @ floats.T, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bits_lose_digits_and_do_not_overflow(dtype):
    layer, floats = make_matrix(9, 512, dtype)
    x = tf.cast(RNG.normal(size=(4, 512)) * 64 + 64, dtype)
    assert layer.lookup([0]).dtype == dtype
    exact = x.numpy().astype(np.float64) @ floats.T
    outputs = layer.project(x).numpy()
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, exact, atol=2**-7 * abs(exact).max())


def first_wait(op):
    """The op that must end before this one's first input is computed."""
    while not op.control_inputs:
        op = op.inputs[0].op
    return op.control_inputs[0]


def test_a_block_becomes_float_when_the_one_before_is_used(monkeypatch):
    monkeypatch.setattr(int8_matrix, "_BLOCK_SIZE", 6 * 64)
    layer, _ = make_matrix(200, 6)
    function = tf.function(
        layer.project, autograph=False
    ).get_concrete_function(tf.TensorSpec([None, 6]))
    casts = [
        op
        for op in function.graph.get_operations()
        if op.type == "Cast" and op.inputs[0].dtype == tf.int8
    ]
    waits = [first_wait(op).type for op in casts]
    assert waits == ["Reshape", "MatMul", "MatMul", "MatMul"]
    assert [op.inputs[0].shape[0] for op in casts] == [64, 64, 64, 8]


def test_only_integers_and_scales_are_kept():
    layer, _ = make_matrix(10, 6)
    assert {weight.dtype: weight.shape for weight in layer.weights} == {
        "int8": (10, 6),
        "float32": (10,),
    }
    assert layer.trainable_weights == []
