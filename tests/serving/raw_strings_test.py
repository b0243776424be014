"""Tests of numbers as bytes, against NumPy's."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.serving.keyed_checksum import CHECKSUM_BYTES
from gpt_keras.serving.keyed_checksum import checksum
from gpt_keras.serving.raw_strings import read_numbers
from gpt_keras.serving.raw_strings import to_raw_string


@pytest.mark.parametrize("dtype", ["int32", "float32", "bfloat16", "int64"])
@pytest.mark.parametrize("count", [0, 1, 130, 20_000])
def test_numbers_are_their_bytes_and_come_back(dtype, count):
    random = np.random.default_rng(0)
    values = tf.cast(random.normal(size=count) * 1000, dtype)
    string = to_raw_string(values)
    assert string.numpy() == values.numpy().tobytes()
    padded = tf.strings.join(["abc", string, "xy"])[None]
    back = read_numbers(padded, [3], tf.constant([count]), values.dtype)
    np.testing.assert_array_equal(back[0, :count], values)
    assert back.shape == (1, max(count, 1))


def test_rows_of_different_lengths_are_padded_with_zeros():
    strings = tf.constant([b"..\1\0\0\0\2\0\0\0", b"..", b"..\3\0\0\0"])
    counts = tf.constant([2, 0, 1])
    found = read_numbers(strings, [2, 2, 2], counts, tf.int32)
    assert found.numpy().tolist() == [[1, 2], [0, 0], [3, 0]]


def test_a_checksum_has_its_length_and_needs_the_key():
    texts = [b"", b"a", b"b", b"a\0"]
    found = checksum(tf.constant(texts), (1, -2)).numpy()
    assert {len(text) for text in found} == {CHECKSUM_BYTES}
    assert all(text.isdigit() for text in found) and len(set(found)) == 4
    other = checksum(tf.constant(texts), (1, -3)).numpy()
    assert not set(found) & set(other)
