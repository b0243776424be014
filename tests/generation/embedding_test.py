"""Tests of vectors of texts, against the model's states of each text alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.embedding import embed
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.text.character_tokenizer import CharacterTokenizer

MAX_LENGTH = 12
TEXTS = ["the cat", "", "猫 sat", "a", "on the mat and on", "xxxxxxxxxxx"]


@pytest.fixture(scope="module")
def tokenizer():
    return CharacterTokenizer("abcdefghijklmnopqrstuvwxyz 猫")


@pytest.fixture(scope="module", params=["pre", "post"])
def model(request, tokenizer):
    keras.utils.set_random_seed(2)
    gpt = GPTModel(
        tokenizer.vocab_size,
        8,
        2,
        16,
        MAX_LENGTH,
        num_layers=1,
        norm_order=request.param,
        initializer_stddev=0.4,
    )
    gpt(np.zeros((1, 1), np.int32))
    return gpt


@pytest.fixture(scope="module")
def run(model, tokenizer):
    policy = Policy(max_prompt_bytes=30)
    function = tf.function(
        lambda texts, normalize: embed(
            model, tokenizer, texts, normalize, policy
        ),
        input_signature=[
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None], tf.bool),
        ],
        autograph=False,
    )

    def call(texts, normalize):
        made = function(tf.constant(texts), tf.constant(normalize))
        return tf.nest.map_structure(lambda x: x.numpy(), made)

    return call


def oracle(model, tokenizer, text):
    """The mean of the states of one text, behind the end of a text."""
    ids = [tokenizer.end_of_text_id, *tokenizer.encode(text)][:MAX_LENGTH]
    states, _ = model.hidden_states(np.array([ids]), training=False)
    return np.mean(np.asarray(states)[0, 1:], 0)


def test_a_vector_is_the_mean_of_the_real_tokens_states(run, model, tokenizer):
    made = run(TEXTS, [False] * len(TEXTS))
    assert made.embeddings.dtype == np.float32
    for row, text in enumerate(TEXTS):
        count = min(len(text), MAX_LENGTH - 1)
        assert made.lengths[row] == count
        assert made.is_truncated[row] == (len(text) > count)
        expected = oracle(model, tokenizer, text) if text else np.zeros(8)
        np.testing.assert_allclose(made.embeddings[row], expected, atol=1e-5)


def test_a_row_has_the_same_vector_in_any_batch(run):
    normalize = [True, False] * 3
    together = run(TEXTS, normalize)
    for row, (text, is_unit) in enumerate(zip(TEXTS, normalize, strict=True)):
        alone = run([text], [is_unit])
        np.testing.assert_allclose(
            alone.embeddings[0], together.embeddings[row], atol=1e-6
        )
    norms = np.linalg.norm(together.embeddings, axis=-1)
    np.testing.assert_allclose(norms[[0, 2, 4]], 1, atol=1e-6)
    assert np.all(np.abs(norms[[3, 5]] - 1) > 1e-3)
    assert norms[1] == 0


def test_a_row_that_is_too_long_says_so_and_its_neighbour_is_answered(run):
    made = run(["x" * 31, "a"], [True, True])
    assert made.errors[0].decode() == (
        "`texts` must be at most 30 bytes long. Received: 31 bytes"
    )
    assert made.errors[1] == b"" and made.lengths.tolist() == [0, 1]
    assert not made.embeddings[0].any() and made.embeddings[1].any()


def test_the_generator_gives_the_vectors(run, model, tokenizer):
    generator = TextGenerator(model, tokenizer, Policy(max_prompt_bytes=30))
    vectors = generator.embed(TEXTS, normalize=True)
    expected = run(TEXTS, [True] * len(TEXTS)).embeddings
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert generator.embed("a").shape == (8,)
    assert generator.embed([]).shape == (0, 8)
    with pytest.raises(ValueError, match="at most 30 bytes long"):
        generator.embed("x" * 31)
