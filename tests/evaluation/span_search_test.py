"""Tests of the search for spans: what is planted is found, nothing else."""

import numpy as np
import pytest

from gpt_keras.data.token_store import TokenSplit
from gpt_keras.evaluation import span_search
from gpt_keras.evaluation.span_search import find_spans
from gpt_keras.evaluation.span_search import window_hashes

RANDOM = np.random.default_rng(0)


def _corpus(*pieces):
    """A corpus of several shards."""
    return TokenSplit.joined(
        [TokenSplit.from_array(piece, vocab_size=1000) for piece in pieces]
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 50])
def test_a_hash_is_that_of_its_window_alone(size):
    ids = RANDOM.integers(0, 1000, 120)
    hashes = window_hashes(ids, size)
    assert len(hashes) == 120 - size + 1
    for start in range(len(hashes)):
        alone = window_hashes(ids[start : start + size], size)
        assert hashes[start] == alone[0]
    assert len(set(hashes.tolist())) > 60 or size == 1


def test_the_order_of_the_tokens_counts():
    assert window_hashes([1, 2, 3], 3) != window_hashes([3, 2, 1], 3)
    assert window_hashes([0, 0, 1], 3) != window_hashes([0, 1, 0], 3)


@pytest.mark.parametrize("tokens_at_once", [1, 13, 64, 10**6])
def test_finds_what_is_planted_anywhere_and_nothing_else(tokens_at_once):
    first, second = RANDOM.integers(0, 1000, (2, 300))
    whole = np.concatenate([first, second])
    at = [0, 275, 550]  # the beginning, across two shards, the end
    planted = [whole[start : start + 50] for start in at]
    changed = [span.copy() for span in planted]
    for span, place in zip(changed, (0, 25, 49), strict=True):
        span[place] = (span[place] + 1) % 1000
    corpus = _corpus(first, second)
    found = find_spans([*planted, *changed], corpus, tokens_at_once)
    assert found.tolist() == [True] * 3 + [False] * 3


def test_few_tokens_have_the_answers_of_a_plain_search():
    ids = RANDOM.integers(0, 3, 200)
    spans = RANDOM.integers(0, 3, (100, 4))
    text = bytes(ids.tolist())
    expected = [bytes(span.tolist()) in text for span in spans]
    assert find_spans(spans, _corpus(ids), 17).tolist() == expected
    assert 0 < sum(expected) < 100


def test_an_equal_hash_is_not_enough(monkeypatch):
    def same_for_all(ids, size):
        return np.full(len(ids) - size + 1, 7, np.uint64)

    monkeypatch.setattr(span_search, "window_hashes", same_for_all)
    spans = [[1, 2, 3], [3, 2, 1], [4, 5, 6]]
    found = find_spans(spans, _corpus([9, 1, 2, 3, 4, 5, 6]))
    assert found.tolist() == [True, False, True]


def test_a_corpus_that_is_too_short_has_no_span():
    assert find_spans([[1, 2]], _corpus([1])).tolist() == [False]


def test_no_more_is_in_memory_than_is_hashed_at_a_time():
    class Watched:
        num_tokens = 1000
        longest = 0

        def read(self, starts, length):
            self.longest = max(self.longest, length)
            return np.zeros((len(starts), length), np.int32)

    corpus = Watched()
    assert not find_spans([[1, 2, 3]], corpus, 64).any()
    assert corpus.longest == 64 + 3 - 1
