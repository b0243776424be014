"""Tests of `gpt_keras.inspection.places`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.inspection.places import look_at
from gpt_keras.inspection.places import mean_loss
from gpt_keras.inspection.places import prompt_ids
from gpt_keras.text.character_tokenizer import CharacterTokenizer

IDS = [3, 1, 4, 1, 5, 9]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = GPTModel(50, 16, 2, 32, 12, num_layers=2, initializer_stddev=0.4)
    model.build((None, None))
    return model


def test_losses_are_the_cross_entropy_of_each_next_token(model):
    places = look_at(model, IDS, 50)
    assert [place.token_id for place in places] == [*IDS, None]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        IDS[1:], model(np.array([IDS]))[0, :-1]
    )
    found = [place.loss for place in places]
    assert found[0] is None and found[-1] is None
    np.testing.assert_allclose(found[1:-1], losses, rtol=1e-5)
    np.testing.assert_allclose(mean_loss(places), np.mean(losses), rtol=1e-5)


def test_expectations_are_those_of_the_softmax(model):
    logprobs = tf.nn.log_softmax(model(np.array([IDS]))[0]).numpy()
    first, *places = look_at(model, IDS, 50, top=7)
    assert first.entropy is None and first.top == ()
    for place, row in zip(places, logprobs, strict=True):
        values, indexes = tf.math.top_k(row, 7)
        assert [token_id for token_id, _ in place.top] == list(indexes)
        found = [probability for _, probability in place.top]
        assert found == sorted(found, reverse=True)
        np.testing.assert_allclose(found, np.exp(values), rtol=1e-5)
        entropy = -(np.exp(row) * row).sum()
        np.testing.assert_allclose(place.entropy, entropy, rtol=1e-5)


def test_the_rank_counts_the_likelier_tokens(model):
    _, *places, _ = look_at(model, IDS, 50, top=50)
    for place in places:
        assert place.top[place.rank - 1][0] == place.token_id


def test_tokens_beyond_the_vocabulary_do_not_count(model):
    place = look_at(model, IDS, 40, top=40)[1]
    assert {token_id for token_id, _ in place.top} == set(range(40))
    np.testing.assert_allclose(sum(p for _, p in place.top), 1)


def test_equal_logits_come_in_the_order_of_ids():
    def model(token_ids, training):
        return np.array([[[1.0, 2, 2, 1, 2]] * token_ids.shape[1]], "float32")

    place = look_at(model, [0, 4], 5, top=4)[1]
    assert [token_id for token_id, _ in place.top] == [1, 2, 4, 0]
    assert place.rank == 1


def test_one_token_has_only_what_follows(model):
    first, following = look_at(model, [3], 50)
    assert first.token_id == 3 and first.loss is None
    assert following.token_id is None and len(following.top) == 5
    assert mean_loss([first, following]) is None


@pytest.mark.parametrize("top", [0, -1, 51])
def test_top_must_be_in_the_vocabulary(model, top):
    message = rf"`top` must be in \[1, vocab_size=50\]. Received: {top}"
    with pytest.raises(ValueError, match=message):
        look_at(model, IDS, 50, top)


def test_logits_that_are_no_numbers_are_named():
    def model(token_ids, training):
        return np.array([[[1.0, np.nan]]], "float32")

    with pytest.raises(ValueError, match="must be finite.*Received: nan"):
        look_at(model, [0], 2, top=1)


def test_a_prompt_must_fit_the_model(model):
    tokenizer = CharacterTokenizer("ab")
    assert prompt_ids(model, tokenizer, "ab" * 6) == [0, 1] * 6
    with pytest.raises(ValueError, match="`max_length` of 12.*Received: 13"):
        prompt_ids(model, tokenizer, "a" * 13)
    with pytest.raises(ValueError, match="`prompt` must not be empty"):
        prompt_ids(model, tokenizer, "")
