"""Tests of the beam search, with models that are tables."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from beam_testing import STOP
from beam_testing import plain_search

from gpt_keras.generation import decoding_state
from gpt_keras.generation.beam_search import BeamOptions
from gpt_keras.generation.beam_search import NextTokens
from gpt_keras.generation.beam_search import beam_search
from gpt_keras.generation.beam_search import length_penalties
from gpt_keras.generation.decoding_state import Context

PENALTIES = (-1.0, 0.0, 0.6, 1.0, 3.0)
NAMES = {
    decoding_state.STOP: STOP,
    decoding_state.LENGTH: "limit",
    decoding_state.REPETITION: "loop",
}


class Table:
    """Draws once how likely each token is behind which others.

    Tokens that end a hypothesis for another reason follow now and then, and
    some never come.
    """

    def __init__(self, seed, vocab_size=4, is_rough=False):
        self.seed = seed
        self.vocab_size = vocab_size
        self.end = seed % vocab_size
        self.is_rough = is_rough
        self.calls = []
        self._rows = {}

    def follow(self, tokens):
        """By token its log-probability and why it would end."""
        if tokens not in self._rows:
            random = np.random.default_rng([self.seed, *tokens])
            if self.is_rough:  # many are equal, and sums of them exact
                log_probs = -random.integers(1, 3, self.vocab_size) / 2
            else:
                log_probs = np.log(random.dirichlet([0.7] * self.vocab_size))
            reasons = ["loop" if x < 0.1 else "" for x in random.random(9)]
            if not self.is_rough and random.random() < 0.3:
                other = (self.end + 1) % self.vocab_size
                log_probs[other] = -np.inf
            self._rows[tokens] = [*zip(log_probs, reasons, strict=False)]
        return self._rows[tokens]

    def step(self, beams, carried):
        """As `beam_search` wants it, eagerly."""
        # What is carried follows the hypotheses, as the cache must.
        lengths = beams.lengths.numpy()
        reads = beams.token_ids.numpy()[range(len(lengths)), lengths - 1]
        is_live = beams.is_live.numpy()
        carried = carried.numpy()
        carried[is_live, lengths[is_live] - 1] = reads[is_live]
        self.calls.append(is_live)
        width = carried.shape[1]
        held = np.arange(width) < lengths[:, None]
        shown = beams.token_ids.numpy()[:, :width]
        assert (carried == shown)[held & is_live[:, None]].all()
        log_probs, reasons = [], []
        for tokens, length, start in zip(
            shown, lengths, beams.context_lengths.numpy(), strict=True
        ):
            # The context's tokens are of another kind: their number counts.
            key = (int(tokens[0]), *map(int, tokens[start:length]))
            row = self.follow(key)
            log_probs.append([log_prob for log_prob, _ in row])
            reasons.append([_CODES[reason] for _, reason in row])
        found = NextTokens(
            tf.constant(log_probs, tf.float32), tf.constant(reasons)
        )
        return found, tf.constant(carried)

    def search(self, rows):
        """Searches `(context, num_beams, length_penalty, limit)` of rows."""
        self.calls = []
        contexts, num_beams, penalties, limits = zip(*rows, strict=True)
        lengths = np.array([*map(len, contexts)], np.int32)
        ids = np.full((len(rows), lengths.max()), 77, np.int32)
        for row, context in zip(ids, contexts, strict=True):
            row[: len(context)] = context
        width = lengths.max() + max(limits)
        carried = np.full((len(rows) * max(num_beams), width), 55, np.int32)
        carried[:, : ids.shape[1]] = np.repeat(ids, max(num_beams), 0)
        options = BeamOptions(
            tf.constant(num_beams),
            tf.constant(penalties, tf.float32),
            tf.constant(limits),
            tf.fill([len(rows)], decoding_state.LENGTH),
        )
        context = Context(tf.constant(ids), tf.constant(lengths), ())
        best = beam_search(
            self.step, context, tf.constant(carried), options, self.end
        )
        return [_row(best, row, n) for row, n in enumerate(lengths)]

    def plain(self, row, **options):
        """The same of one row, in Python."""
        context, num_beams, penalty, limit = row

        def follow(tokens):
            return self.follow((context[0], *tokens))

        return plain_search(
            follow, num_beams, penalty, limit, self.end, **options
        )


_CODES = {"": decoding_state.RUNNING, "loop": decoding_state.REPETITION}


def _row(best, row, start):
    """The hypotheses of a row, in the order that they came."""
    columns = tf.nest.map_structure(lambda x: x.numpy()[row], best)
    count = int((columns.scores > -np.inf).sum())
    assert not (columns.scores[count:] > -np.inf).any()
    return [
        (
            float(columns.scores[n]),
            float(columns.log_probs[n]),
            (*columns.token_ids[n][start : columns.lengths[n]].tolist(),),
            NAMES[columns.reasons[n]],
        )
        for n in range(count)
    ]


def _random_rows(random, count, most_beams=5, longest=6):
    return [
        (
            [int(x) for x in 10 + random.integers(0, 9, random.integers(1, 4))],
            int(random.integers(1, most_beams + 1)),
            float(random.choice(PENALTIES)),
            int(random.integers(0, longest + 1)),
        )
        for _ in range(count)
    ]


def _assert_equal(found, expected):
    assert [x[2:] for x in found] == [x[2:] for x in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[:2] == pytest.approx(theirs[:2], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_a_plain_search_finds_the_same(seed):
    table = Table(seed, vocab_size=3 + seed % 3)
    rows = _random_rows(np.random.default_rng(seed), 7)
    for row, found in zip(rows, table.search(rows), strict=True):
        _assert_equal(found, table.plain(row))


@pytest.mark.parametrize("seed", range(6))
def test_ties_are_broken_by_beam_and_token(seed):
    table = Table(seed, is_rough=True)
    rows = _random_rows(np.random.default_rng(seed), 6)
    rows = [(context, beams, 0.0, limit) for context, beams, _, limit in rows]
    for row, found in zip(rows, table.search(rows), strict=True):
        assert found == [tuple(one) for one in table.plain(row)]


@pytest.mark.parametrize("seed", range(6))
def test_the_early_stop_loses_nothing(seed):
    table = Table(seed)
    rows = [
        ([10 + number], 2 + number % 3, penalty, limit)
        for number in range(5)
        for penalty, limit in ((-1.0, 30), (-0.3, 30), (0.6, 9), (3.0, 6))
    ]
    for row, found in zip(rows, table.search(rows), strict=True):
        _assert_equal(found, table.plain(row, stops_early=False))


def test_it_stops_as_soon_as_nothing_can_get_better():
    class Sure(Table):
        def follow(self, tokens):
            if len(tokens) < 3:
                return [(np.log(x), "") for x in (0.02, 0.5, 0.48)]
            return [(np.log(x), "") for x in (0.98, 0.01, 0.01)]

    table = Sure(0, 3)
    rows = [([10], 2, 0.0, 500), ([10], 2, 1.0, 500), ([10], 1, 9.0, 500)]
    table.search(rows)
    calls = np.array(table.calls).reshape(-1, 3, 2).any(-1)
    counts = calls.sum(0).tolist()
    # Longer ones may still win where length is favoured.
    assert counts[0] == counts[2] == 3 < counts[1] < 500
    # What has ended never comes back.
    assert (np.diff(calls.astype(int), axis=0) <= 0).all()


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_the_best_of_all_sequences(penalty, seed):
    vocab_size, limit = 3, 4
    table = Table(seed, vocab_size)
    width = vocab_size ** (limit - 1)
    (found,) = table.search([([10], width, penalty, limit)])
    everything = sorted(_all_sequences(table, limit, penalty), reverse=True)
    _assert_equal(found, everything[:width])


def _all_sequences(table, limit, penalty):
    """Every sequence, the end of the text at any place or nowhere."""
    ends = range(table.vocab_size)
    for tokens in itertools.chain.from_iterable(
        itertools.product(ends, repeat=n) for n in range(1, limit + 1)
    ):
        if table.end in tokens[:-1]:
            continue
        total, reason = 0.0, ""
        for place, token in enumerate(tokens):
            if reason:
                break  # nothing follows on what has ended
            more, reason = table.follow((10, *tokens[:place]))[token]
            total += more
        else:
            if tokens[-1] == table.end:
                reason, tokens = STOP, tokens[:-1]
            elif not reason and len(tokens) == limit:
                reason = "limit"
            if reason and total > -np.inf:
                length = len(tokens) + (reason == STOP)
                score = total / ((5 + length) / 6) ** penalty
                yield score, total, tokens, reason


@pytest.mark.parametrize("seed", range(4))
def test_a_row_is_the_same_alone_and_among_wider_ones(seed):
    table = Table(seed)
    rows = _random_rows(np.random.default_rng(seed), 5)
    wide = [([12, 13, 14, 15, 16], 9, 0.6, 8)]
    together = table.search(rows + wide)
    for row, found in zip(rows, together, strict=False):
        assert table.search([row]) == [found]  # to the last bit


@pytest.mark.parametrize("seed", range(4))
def test_the_best_are_sorted_and_distinct(seed):
    table = Table(seed, is_rough=seed % 2)
    rows = [([10], 5, penalty, 6) for penalty in PENALTIES]
    for found in table.search(rows):
        scores = [score for score, *_ in found]
        assert scores == sorted(scores, reverse=True) and len(found) == 5
        assert len({one[2:] for one in found}) == 5


def test_a_limit_of_0_gives_nothing_to_write():
    table = Table(0)
    found, other = table.search([([10, 11], 3, 0.6, 0), ([12], 2, 0.6, 3)])
    assert found == [(0.0, 0.0, (), "limit")]
    assert len(other) == 2
    assert table.search([([10], 2, 0.6, 0)]) == [found]
    assert not table.calls


def test_the_penalty_is_that_of_the_paper():
    found = length_penalties(tf.constant([1, 7]), tf.constant([0.5, 0.0]))
    np.testing.assert_allclose(found, [1.0, 1.0])
    found = length_penalties(tf.constant([7]), tf.constant([2.0]))
    np.testing.assert_allclose(found, [4.0])
