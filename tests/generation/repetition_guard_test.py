"""Tests of the guard against repetition, against a look at the tokens."""

import types

import numpy as np
import pytest
import tensorflow as tf
from generation_testing import is_loop

from gpt_keras.generation.repetition_guard import LONGEST_SPAN
from gpt_keras.generation.repetition_guard import count_repeats
from gpt_keras.generation.repetition_guard import is_repeated
from gpt_keras.generation.repetition_guard import no_repeats
from gpt_keras.generation.repetition_guard import repeats_of


def walk(rows, context):
    """Adds tokens one by one; the counts after each of them."""
    rows = np.asarray(rows)
    start = context.shape[1]
    token_ids = np.concatenate([context, rows], 1)
    repeats = no_repeats(len(rows), True)
    for place in range(start, token_ids.shape[1]):
        state = types.SimpleNamespace(
            repeats=repeats,
            token_ids=tf.constant(token_ids),
            lengths=tf.fill([len(rows)], place),
            context_lengths=tf.fill([len(rows)], start),
        )
        drawn = tf.constant(token_ids[:, place])
        repeats = count_repeats(state, drawn, tf.fill([len(rows)], True))
        yield repeats


@pytest.mark.parametrize("times", [2, 3, 5])
def test_rows_are_judged_as_by_a_look_at_them(times):
    random = np.random.default_rng(times)
    rows = [
        np.resize(random.integers(0, 3, random.integers(1, 70)), 150)
        for _ in range(20)
    ]
    for row in rows[::2]:
        row[random.integers(0, 150)] = 9
    # What stands in the context is not counted.
    context = np.array([row[-5:] for row in rows])
    for count, repeats in enumerate(walk(rows, context), 1):
        expected = [is_loop(row[:count].tolist(), times) for row in rows]
        assert is_repeated(repeats, times).numpy().tolist() == expected


def test_counts_of_rows_that_were_written_before_are_the_same():
    random = np.random.default_rng(0)
    rows = np.array(
        [np.resize(random.integers(0, 3, n + 1), 90) for n in range(20)]
    )
    lengths = random.integers(0, 91, 20).astype(np.int32)
    written = tf.constant(rows.astype(np.int32))
    found = repeats_of(written, tf.constant(lengths)).numpy()
    context = np.full((20, 1), 7)
    for count, repeats in enumerate(walk(rows, context), 1):
        is_here = lengths == count
        np.testing.assert_array_equal(found[is_here], repeats[is_here])
    assert not found[lengths == 0].any() and found.max() > 40


def test_rows_that_get_no_token_keep_their_counts():
    state = types.SimpleNamespace(
        repeats=tf.ones([2, LONGEST_SPAN], tf.int32),
        token_ids=tf.constant([[1, 1, 0], [1, 1, 0]]),
        lengths=tf.constant([2, 2]),
        context_lengths=tf.constant([0, 0]),
    )
    counts = count_repeats(
        state, tf.constant([1, 1]), tf.constant([True, False])
    )
    assert counts[0, :2].numpy().tolist() == [2, 2]
    assert counts[0, 2] == 0
    assert (counts[1].numpy() == 1).all()


def test_nothing_is_counted_where_it_is_off():
    assert no_repeats(3, False).shape == (3, 0)
