"""Tests of scores, against the model's logits of each row alone."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation import scoring
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.scoring import score
from gpt_keras.model import GPTModel
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXT = "the cat sat on the mat. 猫坐在垫子上 don't stop; one two three four"
MAX_LENGTH = 24


@functools.cache
def tokenizer():
    return train_byte_pair([TEXT], vocab_size=290)


@functools.cache
def model():
    gpt = GPTModel(
        320, 16, 2, 32, max_length=MAX_LENGTH, initializer_stddev=0.3
    )
    gpt(np.zeros((1, 1), np.int32))
    return gpt


@functools.cache
def compiled(policy):
    gpt, byte_pairs = model(), tokenizer()
    return tf.function(
        lambda prompts, texts: score(gpt, byte_pairs, prompts, texts, policy),
        input_signature=[tf.TensorSpec([None], tf.string)] * 2,
        autograph=False,
    )


def scores_of(prompts, texts, policy=Policy()):  # noqa: B008  a frozen value
    scores = compiled(policy)(
        tf.constant(prompts, tf.string), tf.constant(texts, tf.string)
    )
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), scores)


def oracle(prompt, text):
    """The text's log-probabilities by one uncached pass."""
    context = tokenizer().encode(prompt) or [tokenizer().end_of_text_id]
    ids = tokenizer().encode(text)
    context = context[-max(1, MAX_LENGTH + 1 - len(ids)) :]
    if not ids:
        return []
    inputs = [*context, *ids[:-1]]
    logits = model()(np.array([inputs]))[0, :, :290]
    logprobs = tf.nn.log_softmax(logits).numpy()
    start = len(context) - 1
    return [logprobs[start + n, token] for n, token in enumerate(ids)]


ROWS = [
    ("", "the cat"),
    ("the cat", " sat on"),
    ("the cat", ""),
    ("", ""),
    ("猫坐", "在垫子上"),
    ("the cat sat on the mat. " * 5, "one"),
    ("one two", "the cat sat on the mat."),
    (b"\xff", b"a\xfe\0b"),
    ("", "x"),
]


def test_scores_are_the_model_s_log_probabilities():
    prompts, texts = zip(*ROWS, strict=True)
    scores = scores_of(prompts, texts)
    for row, (prompt, text) in enumerate(ROWS):
        as_text = [
            x.decode("utf-8", "replace") if isinstance(x, bytes) else x
            for x in (prompt, text)
        ]
        expected = oracle(*as_text)
        count = scores.lengths[row]
        assert scores.token_ids[row][:count].tolist() == (
            tokenizer().encode(as_text[1])
        )
        np.testing.assert_allclose(
            scores.logprobs[row][:count], expected, atol=1e-4
        )
        assert not scores.logprobs[row][count:].any()
        total = sum(expected)
        assert scores.total_logprobs[row] == pytest.approx(total, abs=1e-3)
        size = len(text if isinstance(text, bytes) else text.encode())
        bits = -total / math.log(2) / size if size else 0
        assert scores.bits_per_byte[row] == pytest.approx(bits, abs=1e-4)
    assert scores.errors.tolist() == [b""] * len(ROWS)


def test_a_row_alone_is_the_row_in_a_batch():
    together = scores_of(*zip(*ROWS, strict=True))
    for row, (prompt, text) in enumerate(ROWS):
        alone = scores_of([prompt], [text])
        count = alone.lengths[0]
        np.testing.assert_allclose(
            together.logprobs[row][:count], alone.logprobs[0][:count], atol=1e-5
        )


@pytest.mark.parametrize("block", [1, 2, 5, 100])
def test_the_size_of_blocks_does_not_matter(block, monkeypatch):
    prompts, texts = zip(*ROWS, strict=True)
    expected = scores_of(prompts, texts).logprobs
    monkeypatch.setattr(scoring, "_BLOCK", block)
    scores = score(
        model(), tokenizer(), tf.constant(prompts), tf.constant(texts)
    )
    np.testing.assert_allclose(scores.logprobs, expected, atol=1e-5)


def test_too_long_texts_are_named_and_the_others_scored():
    text = "the cat sat on the mat. " * 6
    whole = tokenizer().decode(tokenizer().encode(text)[:MAX_LENGTH])
    assert len(tokenizer().encode(whole)) == MAX_LENGTH
    scores = scores_of(["one", "", "one", "one"], [text, whole, "two", ""])
    count = len(tokenizer().encode(text))
    assert scores.errors[0].decode() == (
        f"`texts` must be at most {MAX_LENGTH} tokens long. Received: {count}"
    )
    assert scores.lengths[0] == 0 and not scores.logprobs[0].any()
    assert scores.bits_per_byte[0] == 0
    assert scores.errors[1:].tolist() == [b""] * 3
    np.testing.assert_allclose(
        scores.logprobs[1][:MAX_LENGTH], oracle("", whole), atol=1e-4
    )
    assert scores.total_logprobs[2] == pytest.approx(
        sum(oracle("one", "two")), abs=1e-4
    )


def test_limits_in_bytes_hold_for_prompts_and_texts():
    policy = Policy(max_prompt_bytes=10)
    long = b"a" * 10**7
    scores = scores_of(["a", long, "a", long], ["b", "b", long, long], policy)
    rule = "must be at most 10 bytes long. Received: 10000000 bytes"
    assert [error.decode() for error in scores.errors] == [
        "",
        f"`prompts` {rule}",
        f"`texts` {rule}",
        f"`prompts` {rule}",
    ]
    assert scores.total_logprobs[0] == pytest.approx(
        sum(oracle("a", "b")), abs=1e-4
    )
