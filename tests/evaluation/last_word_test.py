"""Tests of the last word's task, against a plain loop."""

import math

import pytest
import tensorflow as tf
from evaluation_testing import ByteTokenizer
from evaluation_testing import FakeModel
from evaluation_testing import figures_of
from evaluation_testing import gpt
from evaluation_testing import logprobs_behind
from evaluation_testing import score_alone

from gpt_keras.evaluation.last_word import last_word_task

TEXTS = ["one two", "a b c\n", " a longer text that must be cut at its start"]


def _task(*texts, max_length=16):
    items = [(f"line {n}", text) for n, text in enumerate(texts, 1)]
    return last_word_task(items, ByteTokenizer(), max_length=max_length)


@pytest.mark.parametrize("model", [FakeModel(), gpt()])
def test_figures_are_those_of_a_plain_loop(model):
    nats, right, last, tokens = 0.0, 0, 0, 0
    texts = [*TEXTS, *(_greedy_text(model, text) for text in TEXTS)]
    for text in texts:
        context, _, word = text.strip().rpartition(" ")
        total, likeliest = score_alone(
            model, [*context.encode()], [*f" {word}".encode()]
        )
        nats -= total
        right += all(likeliest)
        last += likeliest[-1]
        tokens += len(likeliest)
    figures = figures_of(_task(*texts), model)
    assert figures == pytest.approx(
        {
            "accuracy": right / 6,
            "last_token_accuracy": last / 6,
            "word_perplexity": math.exp(nats / 6),
            "token_perplexity": math.exp(nats / tokens),
        },
        rel=1e-4,
    )


def _greedy_text(model, text):
    """A text whose last word the model would write, if it is one letter."""
    context = [*text.strip().encode(), ord(" ")]
    logprobs = logprobs_behind(model, context[-model.max_length :])
    letter = max(range(33, 127), key=lambda n: logprobs[n])
    return bytes([*context, letter]).decode()


class _Writer(FakeModel):
    """Writes ` xy` behind everything but `z`."""

    def hidden_states(self, token_ids, training=None):
        following = {ord(" "): "x", ord("x"): "y", ord("z"): "q"}
        table = [ord(following.get(n, " ")) for n in range(256)]
        return tf.gather(tf.constant(table), token_ids), None

    def logits(self, hidden):
        return 9 * tf.one_hot(hidden, self.vocab_size)


@pytest.mark.parametrize(
    ("text", "accuracy", "last_token_accuracy"),
    [("a xy", 1, 1), ("a b x", 1, 1), ("a xxy", 0, 1), ("z xy", 0, 1)]
    + [("a xyz", 0, 0), ("a  xy", 0, 1)],
)
def test_every_token_of_the_word_must_be_the_likeliest(
    text, accuracy, last_token_accuracy
):
    figures = figures_of(_task(text), _Writer())
    assert figures["accuracy"] == accuracy
    assert figures["last_token_accuracy"] == last_token_accuracy


def test_long_contexts_are_cut_and_counted():
    task = _task(*TEXTS, max_length=16)
    assert task.counts == {"items": 3, "tokens": 12, "truncated_items": 1}
    assert bytes([*task.passages[2].token_ids]) == TEXTS[2].encode()[-17:]
    assert task.passages[2].num_cut == len(TEXTS[2]) - 1 - 17


@pytest.mark.parametrize("text", ["one", "", " one ", "\n", "one\n"])
def test_a_single_word_is_refused(text):
    with pytest.raises(ValueError) as raised:
        _task("one two", text)
    assert str(raised.value) == (
        "A text must have two words or more, with a space between. Received: "
        f"{text!a}, line 2"
    )


def test_no_texts_are_refused():
    with pytest.raises(ValueError, match="one text or more"):
        _task()


def test_a_word_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="Received: 6 tokens, line 1"):
        _task("a abcde", max_length=5)
