"""Tests of `gpt_keras.data.bucket_widths`."""

import itertools

import numpy as np
import pytest

from gpt_keras.data.bucket_widths import best_widths


def padded(counts, widths):
    """Positions of all texts, each as wide as the first that it fits into."""
    return sum(min(w for w in widths if w >= count) for count in counts)


@pytest.mark.parametrize("num_buckets", [1, 2, 3, 4])
def test_no_other_widths_need_fewer_positions(num_buckets):
    rng = np.random.default_rng(num_buckets)
    for _ in range(10):
        counts = rng.integers(1, 14, rng.integers(1, 20))
        widths = best_widths(counts, 13, num_buckets)
        assert len(widths) <= num_buckets and (np.diff(widths) > 0).all()
        others = itertools.combinations(range(1, counts.max()), num_buckets - 1)
        least = min(padded(counts, {*w, counts.max()}) for w in others)
        others = itertools.combinations(set(counts), len(widths))
        assert padded(counts, widths) <= least


def test_as_many_buckets_as_lengths_need_no_padding():
    counts = np.array([3, 9, 3, 5])
    assert best_widths(counts, 10, 8).tolist() == [3, 5, 9]
    assert best_widths(counts, 10, 1).tolist() == [9]


def test_many_lengths_are_rounded_and_never_beyond_the_longest():
    counts = np.arange(1, 1001)
    widths = best_widths(counts, 1001, 1000)
    assert len(widths) <= 256 and widths[-1] == 1000
    assert best_widths(np.array([1001]), 1001, 8).tolist() == [1001]
