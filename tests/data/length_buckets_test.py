"""Each text comes once an epoch, with others of its length, from any step."""

import numpy as np
import pytest

from gpt_keras.data.length_buckets import LengthBuckets

LENGTH, BATCH_SIZE = 40, 4


def lengths(count=500, seed=0):
    """Most are short, few are as long as can be."""
    drawn = np.random.default_rng(seed).exponential(10, count)
    return np.clip(drawn.astype(int), 1, LENGTH)


def buckets(counts, **settings):
    settings = {"length": LENGTH, "batch_size": BATCH_SIZE} | settings
    return LengthBuckets(counts, **settings)


def epoch(plan, number=0):
    first = number * plan.num_batches
    return [plan.batch(first + i) for i in range(plan.num_batches)]


# One text, fewer than a batch has, few, many, and all of one length.
CORPORA = [lengths(n) for n in (1, 3, 37, 500)] + [np.full(50, 7)]


@pytest.mark.parametrize("counts", CORPORA, ids=len)
@pytest.mark.parametrize("num_buckets", [1, 3, 8])
def test_each_text_comes_once_an_epoch_and_fits(counts, num_buckets):
    plan = buckets(counts, num_buckets=num_buckets)
    for number in range(3):
        seen, shapes, partial = [], set(), []
        for width, rows in epoch(plan, number):
            texts = rows[rows >= 0]
            assert (counts[texts] <= width).all() and len(texts)
            assert len(rows) % BATCH_SIZE == 0
            assert len(rows) * width <= BATCH_SIZE * LENGTH
            seen += texts.tolist()
            shapes.add((len(rows), width))
            partial += [width] if len(texts) < len(rows) else []
        assert sorted(seen) == list(range(len(counts)))
        assert shapes == {*plan.shapes} and len(shapes) <= num_buckets
        assert partial in ([], [plan.widths[-1]])


def test_a_step_depends_on_nothing_but_seed_and_number():
    counts = lengths()
    whole, seed = buckets(counts, seed=3), {"seed": 3}
    steps = np.random.default_rng(1).permutation(5 * whole.num_batches)
    rest = buckets(counts, **seed)
    for step in [*steps[:40], 10**9]:
        for plan in (rest, buckets(counts, **seed)):
            width, rows = plan.batch(step)
            assert width == whole.batch(step)[0]
            np.testing.assert_array_equal(rows, whole.batch(step)[1])


def test_epochs_and_seeds_differ_in_order_and_in_who_meets():
    counts = lengths()
    runs = [
        epoch(buckets(counts, seed=seed), number)
        for seed, number in [(0, 0), (0, 1), (1, 0)]
    ]
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        widths = [[width for width, _ in runs[i]] for i in (one, other)]
        assert widths[0] != widths[1] and sorted(widths[0]) == sorted(widths[1])
        groups = [
            {frozenset(rows.tolist()) for _, rows in runs[i]}
            for i in (one, other)
        ]
        assert not groups[0] & groups[1]


def test_what_is_left_over_differs_between_epochs():
    counts = lengths(200)
    plan = buckets(counts, num_buckets=4)
    own = plan.widths[np.searchsorted(plan.widths, counts)]
    moved = [
        frozenset(
            text
            for width, rows in epoch(plan, number)
            for text in rows[rows >= 0].tolist()
            if width > own[text]
        )
        for number in range(3)
    ]
    assert len(set(moved)) == 3 and all(moved)


def test_the_figures_are_those_of_an_epoch():
    counts = lengths()
    plan = buckets(counts)
    positions = sum(width * len(rows) for width, rows in epoch(plan))
    assert plan.padding_share == pytest.approx(1 - counts.sum() / positions)
    per_batch = counts.sum() / plan.num_batches
    assert plan.tokens_per_batch == pytest.approx(per_batch)
    assert plan.padding_share < buckets(counts, num_buckets=1).padding_share / 3


@pytest.mark.parametrize(
    ("counts", "settings", "message"),
    [
        ([], {}, "Received: no text"),
        ([3, 0], {}, "from 1 to `length`=40 tokens.*Received: 0 to 3"),
        ([41], {}, "Received: 41 to 41"),
        ([3], {"batch_size": 0}, "`batch_size` must be positive. Received: 0"),
        ([3], {"num_buckets": 0}, "`num_buckets` must be positive"),
    ],
)
def test_bad_input_is_named(counts, settings, message):
    with pytest.raises(ValueError, match=message):
        buckets(np.array(counts, int), **settings)
