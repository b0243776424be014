"""Tests of JSON: what is written reads back, whatever type and shape."""

import json

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.serving.json_requests import read_request
from gpt_keras.serving.json_requests import to_arrays
from gpt_keras.serving.json_responses import write_outputs
from gpt_keras.serving.json_responses import write_predictions
from gpt_keras.serving.serving_errors import ServingError

SHAPES = [(0,), (1,), (3,), (2, 0), (0, 2), (2, 3), (2, 1, 2)]
TYPES = [
    *(np.float32, np.float64, np.bool_),
    *(np.int8, np.int16, np.int32, np.int64),
    *(np.uint8, np.uint32, np.uint64),
    object,
]


def _array(dtype, shape):
    random = np.random.default_rng(0)
    if dtype is object:
        texts = random.choice(["", "é猫", '\0\n"\\', "a" * 9], shape)
        return np.array([t.encode() for t in texts.flat], object).reshape(shape)
    if dtype is np.bool_:
        return random.integers(0, 2, shape).astype(bool)
    if np.issubdtype(dtype, np.floating):
        scales = 10.0 ** random.integers(-30, 30, shape)
        return (random.normal(size=shape) * scales).astype(dtype)
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max, shape, dtype, endpoint=True)


def _info(array):
    signature = tf.TensorSpec(None, tf.as_dtype(array.dtype))
    info = tf.compat.v1.TensorInfo(dtype=signature.dtype.as_datatype_enum)
    return info


def _read(values, key, arrays):
    body = json.dumps({key: values}).encode()
    infos = {name: _info(array) for name, array in arrays.items()}
    return to_arrays(read_request(body), infos)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_outputs_that_are_sent_back_are_the_inputs(dtype, shape):
    array = _array(dtype, shape)
    outputs = {"a": array, "b": array[::-1]}
    written = json.loads(write_outputs(outputs))["outputs"]
    read = _read(written, "inputs", outputs)
    for name, expected in outputs.items():
        assert read[name].dtype == array.dtype
        if expected.size:  # [] has no inner sizes
            np.testing.assert_array_equal(read[name], expected)
    rows = json.loads(write_predictions(outputs))["predictions"]
    if rows:
        read = _read(rows, "instances", outputs)
        np.testing.assert_array_equal(read["b"], outputs["b"])
    (alone,) = json.loads(write_predictions({"a": array})).values()
    assert alone == [row["a"] for row in rows]


def test_bytes_are_base64_where_the_name_says_so():
    array = np.array([bytes(range(256))], object)
    written = json.loads(write_outputs({"x_bytes": array}))["outputs"]
    read = _read(written, "inputs", {"x_bytes": array})
    assert read["x_bytes"].tolist() == array.tolist()


def test_a_double_has_the_digits_it_needs():
    array = np.array([0.1, 1 / 3, 123456789.0])
    body = write_outputs({"a": array})
    assert b"[0.1, 0.33333333333333331, 123456789.0]" in body


@pytest.mark.parametrize(
    ("outputs", "what"),
    [
        ({"a": np.zeros(2, np.float16)}, "float16"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "same number of rows"),
        ({"a": np.zeros(())}, "scalar"),
    ],
)
def test_what_rows_can_t_hold_is_told(outputs, what):
    with pytest.raises(ServingError, match=what):
        write_predictions(outputs)
