"""Several sources in one run: exact shares, epochs of their own, any step."""

import fractions

import numpy as np
import pytest

from gpt_keras.data import packing
from gpt_keras.data.mixing import Mixture
from gpt_keras.data.mixing import weights_by_size
from gpt_keras.data.mixing import whole_weights

LENGTH = 8
MIXTURES = [
    ((7000, 3000), (7, 3)),
    ((10_000, 2000, 2400), (1, 1, 2)),
    ((5000, 2000, 4000, 8000, 3000), (1, 20, 300, 5, 299)),
    ((1600,) * 8, (1,) * 8),
]


def starts_of(mixture, indices, seed=0):
    return mixture.window_starts(
        np.asarray(indices), length=LENGTH, seed=seed
    ).numpy()


def sources_of(mixture, starts):
    ends = np.cumsum(mixture.sizes)
    found = np.searchsorted(ends, starts, side="right")
    inside = starts - (ends - mixture.sizes)[found]
    assert np.all(inside + LENGTH < np.array(mixture.sizes)[found])
    return found, inside


@pytest.mark.parametrize("sizes, weights", MIXTURES)
def test_shares_are_exact_at_every_window(sizes, weights):
    mixture = Mixture(sizes, weights)
    count = 2 * sum(weights)
    found, _ = sources_of(mixture, starts_of(mixture, np.arange(count)))
    upto = np.cumsum(found[:, None] == np.arange(len(sizes)), axis=0)
    expected = np.arange(1, count + 1)[:, None] * mixture.shares()
    assert np.abs(upto - expected).max() <= len(sizes) / 2
    for whole in (sum(weights), count):  # no rounding is left
        assert upto[whole - 1].tolist() == [
            weight * whole // sum(weights) for weight in weights
        ]


@pytest.mark.parametrize("sizes, weights", MIXTURES)
def test_each_source_goes_through_its_own_epochs(sizes, weights):
    mixture = Mixture(sizes, weights)
    found, inside = sources_of(mixture, starts_of(mixture, np.arange(2000)))
    for number, size in enumerate(sizes):
        mine = inside[found == number]
        epoch = packing.num_windows(size, LENGTH)
        for first in range(0, len(mine) - epoch + 1, epoch):
            starts = np.sort(mine[first : first + epoch])
            assert np.all(np.diff(starts) == LENGTH)  # each window once


def test_windows_depend_on_seed_and_index_alone():
    mixture = Mixture((10_000, 2000, 4000), (1, 1, 2))
    whole = starts_of(mixture, np.arange(400))
    order = np.random.default_rng(0).permutation(400)
    assert np.array_equal(starts_of(mixture, order), whole[order])
    late = 10**8 * 4096 + np.arange(400)
    assert np.array_equal(
        starts_of(mixture, late[100:]), starts_of(mixture, late)[100:]
    )
    found, _ = sources_of(mixture, starts_of(mixture, late))
    assert np.bincount(found).tolist() == [100, 100, 200]
    assert not np.array_equal(starts_of(mixture, np.arange(400), 1), whole)


def test_one_source_is_as_without_a_mixture():
    """A run that was begun before there were mixtures goes on."""
    indices = np.arange(300)
    for weights in [(1,), (5,)]:
        expected = packing.window_starts(
            indices, num_tokens=1000, length=LENGTH, seed=3
        )
        found = starts_of(Mixture((1000,), weights), indices, 3)
        assert np.array_equal(found, expected)


def test_sources_of_one_size_are_not_in_one_order():
    mixture = Mixture((10_000, 10_000), (1, 1))
    found, inside = sources_of(mixture, starts_of(mixture, np.arange(2000)))
    first, second = inside[found == 0], inside[found == 1]
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15


@pytest.mark.parametrize(
    "weights, whole",
    [
        (["0.7", "0.3"], (7, 3)),
        (["3", "1"], (3, 1)),
        (["0.5", "0.25", "0.25"], (2, 1, 1)),
        (["1e3"], (1,)),
    ],
)
def test_weights_become_whole_numbers(weights, whole):
    assert whole_weights([*map(fractions.Fraction, weights)]) == whole


@pytest.mark.parametrize(
    "weights, message",
    [
        (["1", "0"], "positive. Received: 1.0, 0.0"),
        (["0.123456789", "0.2"], "1,048,576 or less"),
    ],
)
def test_weights_out_of_range(weights, message):
    with pytest.raises(ValueError, match=message):
        whole_weights([*map(fractions.Fraction, weights)])


@pytest.mark.parametrize(
    "sizes", [(10, 30), (5, 5, 5), (1, 10**12), (10**10, 3 * 10**11, 7)]
)
def test_without_weights_all_have_as_many_epochs(sizes):
    weights = weights_by_size(sizes)
    assert sum(weights) <= 2**20
    for size, weight in zip(sizes, weights, strict=True):
        share = weight / sum(weights)
        assert share == pytest.approx(size / sum(sizes), rel=1e-3, abs=2e-6)


def test_a_source_shorter_than_a_window_is_refused():
    with pytest.raises(ValueError, match="5 tokens, length=8"):
        starts_of(Mixture((100, 5), (1, 1)), [0])
