"""Tests of `gpt_keras.layers.token_checks`."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.layers.token_checks import check_length
from gpt_keras.layers.token_checks import check_token_ids


@tf.function(autograph=False)
def _in_a_graph(token_ids):
    return check_token_ids(token_ids, vocab_size=50, max_length=4)


@pytest.mark.parametrize("bad", [-1, 50])
def test_ids_out_of_range_raise(bad):
    token_ids = np.array([[0, 49], [bad, 1]])
    with pytest.raises(ValueError, match=r"vocab_size=50\).*ids from"):
        check_token_ids(token_ids, 50, 4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="vocab_size=50"):
        _in_a_graph(tf.constant(token_ids))


def test_what_is_right_goes_through():
    token_ids = tf.constant([[0, 49]])
    np.testing.assert_array_equal(check_token_ids(token_ids, 50, 4), token_ids)
    np.testing.assert_array_equal(_in_a_graph(token_ids), token_ids)
    empty = np.zeros((0, 4), "int32")
    assert check_token_ids(empty, 50, 4).shape == (0, 4)
    check_length(None, 4)
    check_length(4, 4)


def test_too_long_raises():
    with pytest.raises(ValueError, match="length=5, max_length=4"):
        check_length(5, 4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_length"):
        tf.function(
            _in_a_graph.python_function,
            input_signature=[tf.TensorSpec([None, None], tf.int32)],
            autograph=False,
        )(np.zeros((1, 5), "int32"))
