"""Tests of stop and banned texts, token by token."""

import numpy as np
import tensorflow as tf
from generation_testing import TOKENS
from generation_testing import FakeTokenizer
from generation_testing import spell

from gpt_keras.generation.settings import make_settings
from gpt_keras.generation.text_rules import TextRules


def start(context, banned_by_policy=(), **settings):
    rules = TextRules(FakeTokenizer(), banned_by_policy)
    values = tf.nest.map_structure(tf.constant, make_settings(1, **settings))
    return rules, rules.start(values, tf.constant([context]), [len(context)])


def read(rules, state, *tokens):
    for token in tokens:
        state = rules.read(state, tf.constant([token]), tf.constant([True]))
    return state


def banned(rules, state):
    return np.flatnonzero(rules.banned_tokens(state)[0]).tolist()


def test_bytes_are_counted_up_to_a_stop_text():
    rules, state = start([4], stop=["ca", "zz"])
    state = read(rules, state, 2, 5)  # ab, bca
    assert bool(state.is_stopped[0])
    assert state.text_lengths.numpy().tolist() == [3]
    ids, counts = tf.constant([[2, 5]]), tf.constant([2])
    counted = rules.count_tokens(state, ids, counts, tf.constant([False]))
    assert counted.numpy().tolist() == [2]


def test_the_beginning_of_a_stop_text_is_held_back_while_a_row_runs():
    rules, state = start([4], stop="bcc")
    state = read(rules, state, 0, 1, 4)  # a, b, c
    ids, counts = tf.constant([[0, 1, 4]]), tf.constant([3])
    for is_running, expected in ((True, 1), (False, 3)):
        is_running = tf.constant([is_running])
        counted = rules.count_tokens(state, ids, counts, is_running)
        assert counted.numpy().tolist() == [expected]
    for is_running, length in ((True, 1), (False, 3)):
        found = rules.text_lengths(state, tf.constant([is_running]))
        assert found.numpy().tolist() == [length]


def test_rows_that_get_no_token_stay():
    rules, state = start([4], stop="bc", banned="ab")
    before = read(rules, state, 0, 1)
    after = rules.read(before, tf.constant([4]), tf.constant([False]))
    for old, new in zip(
        tf.nest.flatten(before), tf.nest.flatten(after), strict=True
    ):
        np.testing.assert_array_equal(old, new)


def test_request_and_policy_ban_together():
    rules, state = start([4], ("aa",), banned=["bc"])
    with_bc = [n for n, token in enumerate(TOKENS) if b"bc" in token]
    with_aa = [n for n, token in enumerate(TOKENS) if b"aa" in token]
    assert banned(rules, state) == sorted(with_bc + with_aa)
    state = read(rules, state, 0)
    begins_a = [n for n, token in enumerate(TOKENS) if token[:1] == b"a"]
    assert banned(rules, state) == sorted({*with_bc, *begins_a})


def test_what_the_context_begins_is_not_completed():
    rules, state = start([0, 1], banned="abc")
    assert spell([0, 1]) == b"ab"
    assert banned(rules, state) == [4]
    rules, state = start([1, 0], banned="abc")
    assert 4 not in banned(rules, state)
