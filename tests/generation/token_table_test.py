"""Tests of the vocabulary's bytes, against Python's own byte strings."""

import numpy as np
import pytest
import tensorflow as tf
from matching_testing import BytesTokenizer
from matching_testing import padded
from matching_testing import random_bytes
from matching_testing import random_tokenizer

from gpt_keras.generation.token_table import TokenTable

ROWS = 12


def spelt(rows):
    return [bytes(row[row >= 0].astype(np.uint8)) for row in rows.numpy()]


def random_strings(tokenizer, seed, count=30):
    """Tokens, parts of them, and longer strings than any token."""
    random = np.random.default_rng(seed)
    strings = {token[1:] or b"a" for token in tokenizer.tokens}
    strings |= {token for token in tokenizer.tokens if token}
    strings |= {random_bytes(random, 9) for _ in range(count)}
    return [*random.permutation(np.array(sorted(strings), object))[:count]]


@pytest.mark.parametrize("seed", range(3))
def test_bytes_of_tokens_are_the_tokenizers(seed):
    tokenizer = random_tokenizer(seed)
    table = TokenTable(tokenizer)
    ids = tf.range(tokenizer.vocab_size)
    assert spelt(table.bytes_of(ids)) == [*tokenizer.tokens]
    assert table.sizes_of(ids).numpy().tolist() == [*map(len, tokenizer.tokens)]


def test_bytes_are_as_wide_as_the_longest_token_of_the_batch():
    table = TokenTable(BytesTokenizer(b"a", b"bc", b"", b"\x00\xff\x00d"))
    assert table.bytes_of(tf.range(3)).numpy().tolist() == [
        [97, -1],
        [98, 99],
        [-1, -1],
    ]
    assert table.bytes_of(tf.constant([2])).shape == (1, 0)
    assert table.bytes_of(tf.zeros([0], tf.int32)).shape == (0, 0)


def test_ids_out_of_range_have_no_bytes():
    table = TokenTable(BytesTokenizer(b"a", b"bc"))
    ids = tf.constant([-1, 1, 2, 2**31 - 1, -(2**31)])
    assert spelt(table.bytes_of(ids)) == [b"", b"bc", b"", b"", b""]
    assert table.sizes_of(ids).numpy().tolist() == [0, 2, 0, 0, 0]


@pytest.mark.parametrize("size", [0, 1, 4, 30])
def test_the_last_bytes_of_rows(size):
    tokenizer = random_tokenizer(4)
    random = np.random.default_rng(size)
    ids = random.integers(-1, tokenizer.vocab_size + 1, (ROWS, 7))
    lengths = np.arange(ROWS) % 8
    rows = TokenTable(tokenizer).last_bytes(
        tf.constant(ids, tf.int32), tf.constant(lengths, tf.int32), size
    )
    known = range(tokenizer.vocab_size)
    texts = [
        b"".join(tokenizer.tokens[n] for n in row[:length] if n in known)
        for row, length in zip(ids, lengths, strict=True)
    ]
    assert rows.shape == (ROWS, size)
    assert spelt(rows) == [text[max(len(text) - size, 0) :] for text in texts]


def test_the_last_bytes_of_no_rows():
    table = TokenTable(BytesTokenizer(b"a"))
    none = tf.zeros([0], tf.int32)
    assert table.last_bytes(tf.zeros([0, 5], tf.int32), none, 3).shape == (0, 3)


@pytest.mark.parametrize("seed", range(3))
def test_tokens_that_begin_with_rests_of_strings(seed):
    tokenizer = random_tokenizer(seed)
    table = TokenTable(tokenizer)
    strings = random_strings(tokenizer, seed)
    low, high = table.begin_with(tf.constant(padded(strings)))
    width = max(map(len, strings))
    assert low.shape == high.shape == (len(strings), width)
    found = table.mark(
        tf.zeros([len(strings) * width, table.vocab_size], bool),
        tf.range(len(strings) * width, dtype=tf.int64),
        tf.reshape(low, [-1]),
        tf.reshape(high, [-1]),
    )
    rests = [s[k + 1 :] for s in strings for k in range(width)]
    expected = [
        [bool(rest) and token.startswith(rest) for token in tokenizer.tokens]
        for rest in rests
    ]
    np.testing.assert_array_equal(found, expected)
    assert np.any(expected)


def test_marks_join_those_of_their_row():
    tokens = [b"b", b"ab", b"", b"a", b"c", b"abc", b""]
    table = TokenTable(BytesTokenizer(*tokens))
    strings = tf.constant(padded([b" a", b" ab", b" c", b" d"]))
    low, high = table.begin_with(strings)
    rows = tf.constant([0, 0, 2, 2], tf.int64)
    before = tf.constant([[False] * 7, [True] + [False] * 6, [False] * 7])
    found = table.mark(before, rows, low[:, 0], high[:, 0])
    names = [
        [t for t, f in zip(tokens, row, strict=True) if f] for row in found
    ]
    assert names == [[b"ab", b"a", b"abc"], [b"b"], [b"c"]]
    found = table.mark(before, rows[:0], low[:0, 0], high[:0, 0])
    np.testing.assert_array_equal(found, before)


@pytest.mark.parametrize("seed", range(3))
def test_tokens_that_contain_a_string_of_their_row(seed):
    tokenizer = random_tokenizer(seed)
    strings = random_strings(tokenizer, seed)
    random = np.random.default_rng(seed)
    is_member = random.random((ROWS, len(strings))) < 0.1
    is_member[0] = False
    found = TokenTable(tokenizer).contain(
        tf.constant(padded(strings)), tf.constant(is_member)
    )
    expected = [
        [
            any(s in token for s, m in zip(strings, row, strict=True) if m)
            for token in tokenizer.tokens
        ]
        for row in is_member
    ]
    np.testing.assert_array_equal(found, expected)
    assert 0.02 < np.mean(expected) < 0.9


def test_no_row_contains_anything():
    table = TokenTable(BytesTokenizer(b"a", b"b"))
    found = table.contain(tf.constant([[97]]), tf.zeros([0, 1], bool))
    assert found.shape == (0, 2)


def test_a_vocabulary_without_bytes():
    table = TokenTable(BytesTokenizer(b"", b""))
    strings = tf.constant(padded([b"ab"]))
    assert table.bytes_of(tf.range(2)).shape == (2, 0)
    low, high = table.begin_with(strings)
    np.testing.assert_array_equal(low, high)
    found = table.contain(strings, tf.constant([[True]]))
    assert found.numpy().tolist() == [[False, False]]
