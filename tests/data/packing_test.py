"""Windows cover the stream, once an epoch, in another order each time."""

import numpy as np
import pytest

from gpt_keras.data import packing


def starts_of(indices, **arguments):
    return packing.window_starts(np.asarray(indices), **arguments).numpy()


def epoch_starts(epoch, num_tokens, length, seed=0):
    count = packing.num_windows(num_tokens, length)
    indices = epoch * count + np.arange(count)
    return starts_of(indices, num_tokens=num_tokens, length=length, seed=seed)


@pytest.mark.parametrize(
    "num_tokens, length",
    [(2, 1), (3, 1), (5, 4), (8, 4), (9, 4), (11, 4), (12, 4), (1000, 7)],
)
def test_each_token_is_a_label_at_most_once_an_epoch(num_tokens, length):
    seen = np.zeros(num_tokens, int)
    for epoch in range(60):
        starts = epoch_starts(epoch, num_tokens, length)
        labels = starts[:, None] + 1 + np.arange(length)
        assert starts.min() >= 0 and labels.max() < num_tokens
        assert len(np.unique(labels)) == labels.size
        assert num_tokens - labels.size < 2 * length + 1
        seen[np.unique(labels)] += 1
    assert seen[0] == 0
    assert np.all(seen[1:] > 0)  # the tail gets its turn as the middle does


def test_epochs_differ_in_order_and_in_borders():
    length = 16
    first, second = (epoch_starts(e, 16 * 200, length) for e in (0, 1))
    assert np.unique(first % length).size == 1
    assert not np.array_equal(np.argsort(first), np.argsort(second))
    offsets = {epoch_starts(e, 3200, length)[0] % length for e in range(64)}
    assert len(offsets) > length // 2


def test_order_is_not_correlated_between_epochs_and_seeds():
    rows = [
        epoch_starts(epoch, 4000, 4, seed)
        for epoch in range(4)
        for seed in (0, 1, -1, 2**40)
    ]
    correlation = np.corrcoef([*rows, np.arange(len(rows[0]))])
    assert np.abs(correlation - np.eye(len(correlation))).max() < 0.15


def test_start_depends_on_seed_and_index_alone():
    arguments = {"num_tokens": 1001, "length": 10, "seed": 5}
    together = starts_of(np.arange(500), **arguments)
    shuffled = np.random.default_rng(0).permutation(500)
    assert np.array_equal(starts_of(shuffled, **arguments), together[shuffled])
    alone = [starts_of([index], **arguments)[0] for index in range(300, 320)]
    assert np.array_equal(alone, together[300:320])


def test_known_starts():
    """A changed hash or shuffle would break every run that resumes."""
    starts = starts_of(np.arange(12), num_tokens=50, length=8, seed=1)
    assert starts.tolist() == [3, 11, 35, 19, 27, 38, 22, 14, 30, 6, 35, 27]


def splitmix64(state, step=1):
    z = (state + step * 0x9E3779B97F4A7C15) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_offsets_are_those_of_a_reference(seed):
    assert splitmix64(0) == 0xE220A8397B1DCDAF  # as published
    for epoch in (0, 1, 1000):
        state = splitmix64((splitmix64(seed) + epoch) % 2**64)
        offset = splitmix64(state, 3) % (107 - 10 * 9)
        assert epoch_starts(epoch, 107, 10, seed).min() == offset


def test_large_corpus_and_long_run():
    length = 1024
    arguments = {"num_tokens": 10**9 * length, "length": length, "seed": 0}
    count = packing.num_windows(arguments["num_tokens"], length)
    indices = np.concatenate(
        [10**8 * 4096 + np.arange(4096), [0, count - 1, count]]
    )
    starts = starts_of(indices, **arguments)
    assert starts.dtype == np.int64
    assert starts.min() >= 0
    assert starts.max() + length < arguments["num_tokens"]
    assert len(np.unique(starts)) == len(starts)
    assert starts.std() > 0.25 * arguments["num_tokens"]


@pytest.mark.parametrize("num_tokens, length", [(0, 1), (8, 8), (64, 100)])
def test_short_corpus_is_refused_with_both_numbers(num_tokens, length):
    message = f"{num_tokens} tokens, length={length}"
    with pytest.raises(ValueError, match=message):
        packing.num_windows(num_tokens, length)


def test_length_must_be_positive():
    with pytest.raises(ValueError, match="`length` must be positive"):
        packing.num_windows(10, 0)


@pytest.mark.parametrize("num_tokens", [1, 2, 8, 9, 10, 17, 100])
def test_label_counts_take_every_token_but_the_first(num_tokens):
    counts = packing.label_counts(
        np.arange(20), num_tokens=num_tokens, length=8
    )
    assert counts.sum() == num_tokens - 1
    assert np.all(counts[:-1] >= counts[1:])
    assert np.count_nonzero((counts > 0) & (counts < 8)) <= 1


def test_batch_is_shifted_and_padded():
    tokens = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]], np.int32)
    token_ids, labels, weight = packing.to_batch(tokens, [3, 1, 0])
    assert token_ids.tolist() == [[1, 2, 3], [5, 0, 0], [0, 0, 0]]
    assert labels.tolist() == [[2, 3, 4], [6, 0, 0], [0, 0, 0]]
    assert weight.tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    dtypes = [array.dtype for array in (token_ids, labels, weight)]
    assert dtypes == [np.int32, np.int32, np.float32]
