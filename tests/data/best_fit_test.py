"""Each text comes once an epoch, whole, in rows with little room left."""

import numpy as np
import pytest

from gpt_keras.data.best_fit import BestFitRows

LENGTH, BATCH_SIZE = 40, 3


def texts(count, seed=0):
    """Lengths, and which may stand behind another text: most."""
    rng = np.random.default_rng(seed)
    counts = np.clip(rng.exponential(12, count).astype(int), 1, LENGTH)
    return counts, rng.random(count) < 0.8


def plan_of(counts, is_first, **settings):
    settings = {"length": LENGTH, "batch_size": BATCH_SIZE} | settings
    return BestFitRows(counts, is_first, **settings)


def epoch(plan, number=0):
    first = number * plan.num_batches
    return [plan.layout(first + i) for i in range(plan.num_batches)]


@pytest.mark.parametrize("count", [1, 2, 40, 400])
def test_each_text_comes_once_an_epoch_whole_and_alone_in_its_place(count):
    counts, is_first = texts(count)
    plan = plan_of(counts, is_first)
    for number in range(3):
        seen = []
        for layout in epoch(plan, number):
            filled = np.zeros(layout.shape, int)
            for text, row, column in zip(*layout[1:], strict=True):
                assert column + counts[text] <= LENGTH
                filled[row, column : column + counts[text]] += 1
                assert column == 0 or is_first[text]
            assert filled.max() == 1 and (np.diff(filled, axis=1) <= 0).all()
            seen += layout.texts.tolist()
        assert sorted(seen) == list(range(count))


def best_fit_decreasing(counts, is_first):
    """How many rows there are, by the plain algorithm."""
    rooms = [LENGTH - count for count in counts[~is_first]]
    for count in sorted(counts[is_first])[::-1]:
        fitting = [room for room in rooms if room >= count]
        if fitting:
            rooms[rooms.index(min(fitting))] -= count
        else:
            rooms.append(LENGTH - count)
    return len(rooms)


def test_rows_are_those_of_best_fit_decreasing():
    for seed in range(5):
        counts, is_first = texts(200, seed)
        plan = plan_of(counts, is_first, batch_size=1)
        assert plan.num_batches == best_fit_decreasing(counts, is_first)
        share = 1 - counts.sum() / (plan.num_batches * LENGTH)
        assert plan.padding_share == pytest.approx(share)
        assert plan.tokens_per_batch * plan.num_batches == pytest.approx(
            counts.sum()
        )


def test_a_text_goes_where_it_leaves_the_least_room():
    """10 behind 30, not behind 25, so that 9 and 6 still fit there."""
    counts = np.array([9, 25, 6, 30, 10])
    layout = plan_of(counts, np.ones(5, bool)).layout(0)
    found = {
        frozenset(counts[layout.texts[layout.rows == row]].tolist())
        for row in range(BATCH_SIZE)
    }
    assert found == {frozenset({30, 10}), frozenset({25, 9, 6}), frozenset()}


def test_a_step_depends_on_nothing_but_seed_and_number():
    data = texts(200)
    whole = plan_of(*data, seed=3)
    again = plan_of(*data, seed=3)
    for step in [17, 3, 100, 0, 10**9]:
        for one, other in zip(
            whole.layout(step)[1:], again.layout(step)[1:], strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_epochs_and_seeds_differ_in_order_and_in_who_meets():
    data = texts(400)

    def rows(seed, number):
        return [
            frozenset(layout.texts[layout.rows == row].tolist())
            for layout in epoch(plan_of(*data, seed=seed), number)
            for row in range(BATCH_SIZE)
        ]

    runs = [rows(0, 0), rows(0, 1), rows(1, 0)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        shared = {x for x in runs[one] if len(x) > 1} & {*runs[other]}
        assert len(shared) < len(runs[one]) / 10
        alone = [[x for x in runs[i] if len(x) == 1] for i in (one, other)]
        assert alone[0] != alone[1]


def test_bad_input_is_named():
    for counts, message in (([0], "0 to 0"), ([41], "41 to 41"), ([], "no te")):
        with pytest.raises(ValueError, match=f"Received: {message}"):
            plan_of(np.array(counts, int), np.ones(len(counts), bool))
    with pytest.raises(ValueError, match="`batch_size` must be positive"):
        plan_of(*texts(3), batch_size=0)
