"""Tests of parts of rows against NumPy's slices."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.columns import cut_columns
from gpt_keras.generation.columns import join_columns


@pytest.mark.parametrize("rest", [(), (3,)])
def test_rows_are_cut_and_padded(rest):
    values = np.arange(4 * 5 * (3 if rest else 1)).reshape(4, 5, *rest)
    starts, counts = np.array([[0, 2, 5, 1], [5, 3, 0, 1]], np.int32)
    cut = cut_columns(tf.constant(values), starts, counts, -1)
    assert cut.shape == (4, 5, *rest)
    for row, (start, count) in enumerate(zip(starts, counts, strict=True)):
        expected = values[row, start : start + count]
        np.testing.assert_array_equal(cut[row, :count], expected)
        assert (cut[row, count:].numpy() == -1).all()


def test_there_is_a_column_at_least():
    none = tf.zeros([2], tf.int32)
    assert cut_columns(tf.zeros([2, 0]), none, none, 7).numpy().tolist() == [
        [7],
        [7],
    ]
    joined = join_columns(tf.zeros([2, 0]), none, tf.zeros([2, 0]), none, 7)
    assert joined.numpy().tolist() == [[7], [7]]


def test_rows_are_joined_without_a_gap():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 99, (2, 40, 6))
    counts = random.integers(0, 7, (2, 40)).astype(np.int32)
    joined = join_columns(
        tf.constant(first), counts[0], tf.constant(second), counts[1], -1
    )
    assert joined.shape == (40, counts.sum(0).max())
    for row in range(40):
        parts = [first[row, : counts[0, row]], second[row, : counts[1, row]]]
        expected = np.concatenate(parts)
        found = joined[row].numpy()
        np.testing.assert_array_equal(found[: len(expected)], expected)
        assert (found[len(expected) :] == -1).all()
