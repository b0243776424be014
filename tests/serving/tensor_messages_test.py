"""Tests of tensors in messages."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from gpt_keras.serving.tensor_messages import read_tensors
from gpt_keras.serving.tensor_messages import write_tensor

TYPES = [
    *("float16", "bfloat16", "float32", "float64", "bool", "complex64"),
    *("int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
]


@pytest.mark.parametrize("name", TYPES)
def test_what_is_written_reads_back(name):
    dtype = tf.as_dtype(name).as_numpy_dtype
    for array in (
        np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype),
        np.zeros((2, 0), dtype),
        np.array(1).astype(dtype),
    ):
        proto = tensor_pb2.TensorProto()
        write_tensor(array, proto)
        read = read_tensors({"a": proto})["a"]
        assert read.dtype == array.dtype and read.shape == array.shape
        np.testing.assert_array_equal(read, array)


def test_strings_read_back():
    array = np.array([[b"a\xff", b""], [b"b", b"\0"]], object)
    proto = tensor_pb2.TensorProto()
    write_tensor(array, proto)
    assert read_tensors({"a": proto})["a"].tolist() == array.tolist()


def test_one_value_may_stand_for_several():
    proto = tf.make_tensor_proto(7, shape=(2, 3))
    assert read_tensors({"a": proto})["a"].tolist() == [[7] * 3] * 2
