"""Tests of `gpt_keras.generation.windows`: what the model sees of a row."""

import pytest
import tensorflow as tf
from generation_testing import fake

from gpt_keras.generation.windows import Windows
from gpt_keras.generation.windows import open_shape


@pytest.mark.parametrize("max_length", [2, 3, 8, 9])
def test_windows_roll_as_if_token_by_token(max_length):
    windows = Windows(fake(max_length), padding_id=0)
    rolled = (max_length + 1) // 2
    for context in range(1, max_length):
        length, lengths = context, []
        for _ in range(3 * max_length):
            lengths.append(length)
            # A full window leaves its newer half before the next token.
            length = (rolled if length >= max_length else length) + 1
        counts = tf.range(len(lengths))
        found = windows.lengths(tf.fill(tf.shape(counts), context), counts)
        assert found.numpy().tolist() == lengths


def test_a_cache_has_room_for_a_row_but_no_more_than_the_model():
    windows = Windows(fake(8), padding_id=0)
    assert windows.cache_size(tf.zeros([2, 5], tf.int32)).numpy() == 5
    assert windows.cache_size(tf.zeros([2, 50], tf.int32)).numpy() == 8


def test_an_open_shape_keeps_heads_and_features():
    assert open_shape(tf.zeros([2, 3, 4, 5])).as_list() == [None, 3, None, 5]
    assert open_shape(tf.zeros([2, 0])).as_list() == [None, None]
    assert open_shape(tf.zeros([7])).as_list() == [None]
