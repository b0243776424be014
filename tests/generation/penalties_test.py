"""Tests of penalties and bans, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from sampling_testing import END_OF_TEXT
from sampling_testing import NEVER
from sampling_testing import context_of
from sampling_testing import context_row
from sampling_testing import numpy_process
from sampling_testing import process
from sampling_testing import random_context
from sampling_testing import random_logits

from gpt_keras.generation import penalties
from gpt_keras.generation.penalties import bounded

ROWS = 40
MIXED = {
    "repetition_penalty": np.resize([1, 1.3, 0.4, 8], ROWS),
    "frequency_penalty": np.resize([0, 0.7, -1.5], ROWS),
    "presence_penalty": np.resize([0, -0.7, 1.5, 100], ROWS),
    "no_repeat_ngram": np.resize([0, 1, 2, 3, 4, 40, 100], ROWS),
}
OFF = {
    "repetition_penalty": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "no_repeat_ngram": 0,
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", MIXED)
def test_rows_with_mixed_settings_are_as_the_oracle_says(name, seed):
    logits = random_logits(ROWS, 20, seed)
    context = random_context(ROWS, 20, seed)
    actual = process(name, logits, context, **{name: MIXED[name]})
    expected = numpy_process(name, logits, context, **{name: MIXED[name]})
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)
    changed = (actual != logits).any(-1)
    assert not changed[MIXED[name] == OFF[name]].any()
    assert changed[MIXED[name] != OFF[name]].mean() > 0.2


@pytest.mark.parametrize("name", MIXED)
def test_a_row_alone_is_the_row_in_the_batch(name):
    logits = random_logits(ROWS, 20)
    context = random_context(ROWS, 20)
    together = process(name, logits, context, **{name: MIXED[name]})
    for row in range(ROWS):
        alone = process(
            name,
            logits[[row]],
            context_row(context, row),
            **{name: MIXED[name][row]},
        )
        np.testing.assert_array_equal(alone[0], together[row])


@pytest.mark.parametrize("name", MIXED)
def test_off_changes_nothing(name):
    logits = random_logits(5, 20)
    context = random_context(5, 20)
    np.testing.assert_array_equal(
        process(name, logits, context, **{name: OFF[name]}), logits
    )


@pytest.mark.parametrize("name", MIXED)
def test_off_costs_nothing(name, monkeypatch):
    def count(*args):
        raise AssertionError("Nobody asked for it.")

    monkeypatch.setattr(penalties, "_count_ids", count)
    logits = random_logits(5, 20)
    process(name, logits, random_context(5, 20), **{name: OFF[name]})
    with pytest.raises(AssertionError):
        process(name, logits, random_context(5, 20), **{name: 2})


@pytest.mark.parametrize("name", MIXED)
def test_padding_counts_for_nothing(name):
    logits = random_logits(1, 9)
    outputs = [
        process(
            name,
            logits,
            context_of([[1, 2, 1, 2]], [1], width=width, padding=padding),
            **{name: 2},
        )
        for width, padding in [(4, 0), (5, 7), (9, 8), (9, 2), (64, 1)]
    ]
    assert (outputs[0] != logits).any()
    for other in outputs[1:]:
        np.testing.assert_array_equal(other, outputs[0])


def test_only_repetition_looks_at_the_context():
    logits = np.ones((1, 6), "float32")
    context = context_of([[1, 2, 5, 5]], [2])
    held = {
        name: np.flatnonzero(
            process(name, logits, context, **{name: 2})[0] != 1
        ).tolist()
        for name in ("repetition_penalty", "frequency_penalty")
    }
    assert held == {"repetition_penalty": [1, 2, 5], "frequency_penalty": [5]}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7])
def test_no_run_comes_twice_where_no_repeat_holds(size):
    """Draws on greedily from equal logits until only the end is left."""
    tokens = [0]
    while len(tokens) < 200:
        logits = process(
            "no_repeat_ngram",
            np.array([[4, 3, 2, 0, 1]], "float32"),
            context_of([tokens], width=200),
            no_repeat_ngram=size,
        )
        token = int(logits.argmax())
        if token == END_OF_TEXT:
            break
        tokens.append(token)
    starts = range(len(tokens) - size + 1)
    runs = [tuple(tokens[start : start + size]) for start in starts]
    assert len(runs) == len(set(runs))
    assert len(tokens) >= 4 * min(size, 2)


def test_a_run_of_the_whole_text_is_seen():
    logits = np.zeros((1, 6), "float32")
    context = context_of([[2, 2, 2, 2]])
    for size, is_banned in [(3, True), (4, True), (5, False), (9, False)]:
        kept = process("no_repeat_ngram", logits, context, no_repeat_ngram=size)
        assert (kept[0, 2] == NEVER) == is_banned
        assert (np.delete(kept[0], 2) == 0).all()


def test_banned_tokens_are_never_drawn_but_the_end_of_the_text():
    logits = random_logits(3, 6)
    is_banned = tf.constant([[True] * 6, [False] * 6, [False, True] * 3])
    context = context_of([[1]] * 3, is_banned=is_banned)
    kept = np.isfinite(process("banned", logits, context))
    assert np.flatnonzero(kept[0]).tolist() == [END_OF_TEXT]
    assert kept[1].all()
    assert np.flatnonzero(kept[2]).tolist() == [0, 2, END_OF_TEXT, 4]
    np.testing.assert_array_equal(
        process("banned", logits, context._replace(is_banned=None)), logits
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3.4e38, -3.4e38])
@pytest.mark.parametrize("name", MIXED)
def test_no_value_makes_nan_or_infinity(name, value):
    if name == "no_repeat_ngram":
        value = {np.inf: 2**31 - 1, -np.inf: -(2**31)}.get(value, 0)
    logits = np.array([[1e30, -1e30, 0, 5, -5]], "float32")
    context = context_of([[0, 0, 1, 2, 2]], [1])
    values = process(name, logits, context, **{name: value})
    assert np.isfinite(values).all()
    assert (np.abs(values) <= np.float32(1e30)).all()
    assert values[0, 3] == 5 and values[0, 4] == -5  # they don't stand there


def test_bounded_logits_are_finite():
    logits = tf.constant([[np.nan, np.inf, -np.inf, 3e38, 2, -1e-40]])
    values = bounded(logits).numpy()[0]
    assert (
        values[:4].tolist() == np.float32([-1e30, 1e30, -1e30, 1e30]).tolist()
    )
    assert values[4] == 2


@pytest.mark.parametrize("name", [*MIXED, "banned"])
def test_an_empty_batch_stays_empty(name):
    context = context_of([], is_banned=tf.zeros([0, 4], bool))
    values = {} if name == "banned" else {name: []}
    assert process(name, np.zeros((0, 4)), context, **values).shape == (0, 4)
