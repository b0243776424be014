"""Ids become bytes, the same on the host and in the graph."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.text.token_bytes import TokenBytes

PIECES = [b"a", "é".encode()[:1], "é".encode()[1:], b"\0", b""]


def test_decode_joins_bytes_to_characters():
    tokens = TokenBytes(PIECES)
    assert tokens.decode([0, 1, 2, 3]) == "aé\0"
    assert tokens.decode(np.array([1, 0], np.int32)) == "\ufffda"
    assert tokens.decode(tf.constant([0, 0])) == "aa"
    assert tokens.decode([]) == ""


def test_what_is_no_token_gives_nothing():
    tokens = TokenBytes(PIECES)
    ids = [0, -1, 4, 5, 2**40, -(2**40), 0]
    assert tokens.decode(ids) == "aa"
    assert [tokens.of(i) for i in ids] == [b"a", *[b""] * 5, b"a"]
    assert tokens.detokenize([[0, -1, 4, 5, 99, 0]], [6]).numpy() == [b"aa"]


@pytest.mark.parametrize("ids", [[[0]], 0, [0.5], ["a"]])
def test_decode_wants_one_row_of_integers(ids):
    with pytest.raises(ValueError, match="one row of integers"):
        TokenBytes(PIECES).decode(ids)


def test_detokenize_stops_at_each_rows_length():
    detokenize = tf.function(TokenBytes(PIECES).detokenize, autograph=False)
    ids = tf.constant([[0, 1, 2], [0, 3, 0], [1, 0, 0], [0, 0, 0]])
    texts = detokenize(ids, tf.constant([3, 2, 1, 0]))
    assert texts.numpy().tolist() == ["aé".encode(), b"a\0", b"\xc3", b""]


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
def test_detokenize_takes_empty_batches_and_rows(shape):
    detokenize = TokenBytes(PIECES).detokenize
    texts = detokenize(np.zeros(shape, np.int32), np.zeros(shape[0], np.int32))
    assert texts.numpy().tolist() == [b""] * shape[0]
