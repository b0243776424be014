"""Tests of token scores, against one pass of the model for each token."""

import numpy as np
import pytest
from evaluation_testing import VOCAB_SIZE
from evaluation_testing import FakeModel
from evaluation_testing import gpt
from evaluation_testing import score_alone

from gpt_keras.evaluation.passages import Passage
from gpt_keras.evaluation.token_scorer import TokenScorer

SIZES = [(17, 16), (2, 1), (9, 3), (17, 1), (5, 4)]  # tokens, scored ones


def _passages():
    draws = np.random.default_rng(0)
    return [
        Passage(draws.integers(0, 50, size).astype(np.int32), scored, "here")
        for size, scored in SIZES
    ]


def _scorer(model=None, **arguments):
    return TokenScorer(model or gpt(), VOCAB_SIZE, **arguments)


def test_scores_are_those_of_every_token_alone():
    for passage, scores in zip(
        _passages(), _scorer()(_passages()), strict=True
    ):
        logprobs, is_likeliest = scores
        ids = passage.token_ids.tolist()
        total, likeliest = score_alone(
            gpt(), ids[: -passage.num_scored], ids[-passage.num_scored :]
        )
        assert logprobs.shape == (passage.num_scored,)
        assert logprobs.dtype == np.float32
        assert logprobs.sum() == pytest.approx(total, rel=1e-5)
        assert is_likeliest.tolist() == likeliest


def test_a_passage_alone_is_the_passage_in_a_batch():
    scorer = _scorer()
    together = scorer(_passages())
    for passage, (logprobs, is_likeliest) in zip(
        _passages(), together, strict=True
    ):
        ((alone, likeliest_alone),) = scorer([passage])
        np.testing.assert_allclose(logprobs, alone, atol=1e-5)
        assert is_likeliest.tolist() == likeliest_alone.tolist()


@pytest.mark.parametrize("chunk_tokens", [1, 2, 24, 25, 26])
def test_the_size_of_chunks_does_not_matter(chunk_tokens):
    expected = _scorer()(_passages())
    chunked = _scorer(chunk_tokens=chunk_tokens)(_passages())
    for one, other in zip(expected, chunked, strict=True):
        np.testing.assert_allclose(one[0], other[0], atol=1e-5)
        assert one[1].tolist() == other[1].tolist()


def test_all_sizes_of_batches_share_one_graph():
    class Counting(FakeModel):
        traced = 0

        def hidden_states(self, token_ids, training=None):
            self.traced += 1
            return super().hidden_states(token_ids, training)

    model = Counting()
    scorer = _scorer(model)
    for passage in _passages():
        scorer([passage])
    scorer(_passages())
    assert model.traced == 1


def test_logits_beyond_the_tokenizers_vocabulary_do_not_count():
    model = gpt(VOCAB_SIZE + 64)
    ((logprobs, _),) = _scorer(model)(_passages()[:1])
    ids = _passages()[0].token_ids.tolist()
    total, _ = score_alone(model, ids[:1], ids[1:])  # which cuts the logits
    assert logprobs.sum() == pytest.approx(total, rel=1e-5)
