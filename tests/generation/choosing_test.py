"""Tests of choices among texts, against the scores of each one alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.choosing import MAX_CHOICES
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.scoring import score
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.text.character_tokenizer import CharacterTokenizer

PROMPTS = ["the cat", "", "猫 sat", "on the mat and on the mat"]
CHOICES = [
    [" sat", " on the mat", "猫"],
    ["a"],
    ["x", "yes", "no", "maybe so"],
    ["b", "ab"],
]


@pytest.fixture(scope="module")
def parts():
    tokenizer = CharacterTokenizer("abcdefghijklmnopqrstuvwxyz 猫")
    keras.utils.set_random_seed(2)
    model = GPTModel(
        tokenizer.vocab_size,
        8,
        2,
        16,
        16,
        num_layers=1,
        initializer_stddev=0.6,
    )
    model(np.zeros((1, 1), np.int32))
    return model, tokenizer


@pytest.fixture(scope="module")
def generator(parts):
    return TextGenerator(*parts, Policy(max_prompt_bytes=40))


@pytest.fixture(scope="module")
def expected(parts):
    """Log-probabilities of each choice, all choices in one plain batch."""
    pairs = [
        (prompt, choice)
        for prompt, choices in zip(PROMPTS, CHOICES, strict=True)
        for choice in choices
    ]
    prompts, texts = map(list, zip(*pairs, strict=True))
    scores = score(*parts, tf.constant(prompts), tf.constant(texts))
    totals = iter(scores.total_logprobs.numpy().tolist())
    return [[next(totals) for _ in choices] for choices in CHOICES]


@pytest.mark.parametrize("per_token", [False, True])
def test_the_likeliest_choice_of_each_row_is_found(
    generator, expected, per_token
):
    results = generator.choose(PROMPTS, CHOICES, per_token=per_token)
    for result, choices, logprobs in zip(
        results, CHOICES, expected, strict=True
    ):
        np.testing.assert_allclose(result.log_probs, logprobs, atol=1e-4)
        assert result.num_tokens == tuple(map(len, choices))
        scores = np.array(logprobs)
        if per_token:
            scores = scores / [len(choice) for choice in choices]
        assert result.index == np.argmax(scores)
        assert result.text == choices[result.index]


def test_a_row_chooses_the_same_in_any_batch(generator):
    together = generator.choose(PROMPTS, CHOICES)
    for row, (prompt, choices) in enumerate(zip(PROMPTS, CHOICES, strict=True)):
        alone = generator.choose(prompt, choices)
        assert alone.index == together[row].index
        np.testing.assert_allclose(
            alone.log_probs, together[row].log_probs, atol=1e-4
        )
    assert generator.choose([], ["a"]) == []
    both = generator.choose(PROMPTS[:2], ["a", "b"])  # the same for all
    assert [len(one.log_probs) for one in both] == [2, 2]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([], "`choices` must be texts that are not empty"),
        (["a", ""], "`choices` must be texts that are not empty"),
        (["a"] * (MAX_CHOICES + 1), "must be at most 32 texts. Received: 33"),
        (["a", "a" * 17], "Each of `choices` must be at most 16 tokens long"),
        (["a", "a" * 41], "Each of `choices` must be at most 40 bytes long"),
        ("ab", "`choices` must be several texts"),
        (["a\x1fb"], "without U\\+001F"),
        ([["a"], ["b"]], "for each of the 1 prompts"),
    ],
)
def test_choices_that_break_a_rule_are_refused(generator, choices, message):
    with pytest.raises(ValueError, match=message):
        generator.choose("the", choices)


def test_a_faulty_row_leaves_its_neighbours_alone(generator):
    prompts = ["x" * 41, "the cat", "the cat", "b"]
    joined = ["a\x1fb", "a\x1f\x1fb", " sat\x1f on the mat\x1f猫", ""]
    made = generator._choose(
        tf.constant(prompts), tf.constant(joined), tf.fill([4], False)
    )
    assert [bool(x) for x in made.errors.numpy()] == [True, True, False, True]
    assert made.counts.numpy().tolist() == [0, 0, 3, 0]
    assert made.best.numpy()[[0, 1, 3]].tolist() == [-1] * 3
    alone = generator.choose("the cat", CHOICES[0])
    assert made.best.numpy()[2] == alone.index
    np.testing.assert_allclose(made.log_probs[2], alone.log_probs, atol=1e-4)
