"""All words at once merge as one word alone does, pair by pair."""

import random

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.text.byte_pair_merging import BytePairMerging


def _one_word(tokens: list[int], merges: np.ndarray) -> list[int]:
    """The foremost merge, at its first place, again and again."""
    rules = {(a, b): (rank, c) for rank, (a, b, c) in enumerate(merges)}
    while True:
        pairs = enumerate(zip(tokens, tokens[1:], strict=False))
        found = [(rules[pair], at) for at, pair in pairs if pair in rules]
        if not found:
            return tokens
        (_, result), at = min(found)
        tokens = [*tokens[:at], result, *tokens[at + 2 :]]


def _all_words(rows: list[list[int]], merges, vocab_size):
    merging = BytePairMerging(np.array(merges), vocab_size)
    between = vocab_size
    flat = [token for row in rows for token in [between, *row]]
    number = [n for n, row in enumerate(rows) for _ in [between, *row]]
    tokens, words = tf.function(merging, autograph=False)(
        tf.constant([*flat, between], tf.int64),
        tf.constant([*number, len(rows)], tf.int64),
        tf.constant(len(rows) + 1),
    )
    merged = [[] for _ in range(len(rows) + 1)]
    for word, token in zip(words.numpy(), tokens.numpy(), strict=True):
        merged[word].append(int(token))
    assert all(row[0] == between for row in merged)
    return [row[1:] for row in merged[:-1]]


def _random_merges(rng: random.Random, count: int) -> tuple[list, int]:
    """Merges of the strings over `ab`, some with one and the same result."""
    ids = {"a": 0, "b": 1}
    pairs = set()
    while len(pairs) < count:
        left, right = rng.choices(list(ids), k=2)
        pairs.add((left, right))
        ids.setdefault(left + right, len(ids))
    ordered = sorted(pairs)
    rng.shuffle(ordered)
    return [(ids[a], ids[b], ids[a + b]) for a, b in ordered], len(ids)


@pytest.mark.parametrize("seed", range(12))
def test_merges_in_any_order_give_what_one_by_one_gives(seed):
    rng = random.Random(seed)
    merges, vocab_size = _random_merges(rng, rng.randrange(1, 12))
    rows = [rng.choices([0, 1], k=rng.randrange(1, 25)) for _ in range(200)]
    expected = [_one_word(row, merges) for row in rows]
    assert _all_words(rows, merges, vocab_size) == expected


def test_an_earlier_merge_comes_before_the_next_of_a_later_one():
    a, b, x, y = range(4)
    merges = [(x, a, y), (a, b, x)]
    assert _all_words([[a, b, a, b]], merges, 4) == [[y, b]]


def test_overlapping_pairs_merge_from_the_left():
    merges = [(0, 0, 1)]
    rows = [[0] * n for n in (1, 2, 3, 4, 5)]
    expected = [[0], [1], [1, 0], [1, 1], [1, 1, 0]]
    assert _all_words(rows, merges, 2) == expected


def test_pairs_do_not_reach_into_the_next_word():
    assert _all_words([[0], [1], [0, 1]], [(0, 1, 2)], 3) == [[0], [1], [2]]


def test_no_words_and_no_merges():
    assert _all_words([], [(0, 1, 2)], 3) == []
    assert _all_words([[0, 1]], np.zeros((0, 3)), 2) == [[0, 1]]
