"""Tests of batches by length: all passages, few tokens of padding."""

import numpy as np
import pytest

from gpt_keras.evaluation.length_batches import length_batches


@pytest.mark.parametrize("tokens", [1, 7, 64, 1000])
def test_every_passage_is_in_one_batch_that_is_not_too_large(tokens):
    lengths = np.random.default_rng(0).integers(1, 50, 200)
    batches = length_batches(lengths, tokens)
    assert sorted(np.concatenate(batches)) == list(range(200))
    for batch in batches:
        padded = lengths[batch].max() * len(batch)
        assert padded <= tokens or len(batch) == 1


def test_little_is_padding():
    lengths = np.random.default_rng(0).integers(1, 50, 2000)
    batches = length_batches(lengths, 500)
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padded < 1.05 * lengths.sum()


def test_the_longest_come_first_and_equal_ones_in_their_order():
    batches = length_batches([2, 5, 2, 5, 1], 10)
    assert [batch.tolist() for batch in batches] == [[1, 3], [0, 2, 4]]


def test_no_passages_give_no_batches():
    assert length_batches([], 10) == []


def test_a_batch_without_tokens_is_refused():
    with pytest.raises(ValueError, match="Received: tokens_per_batch=0"):
        length_batches([1], 0)
