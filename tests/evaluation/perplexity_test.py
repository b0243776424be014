"""Tests of perplexities, against plain loops and by hand."""

import math

import numpy as np
import pytest
from evaluation_testing import VOCAB_SIZE
from evaluation_testing import ByteTokenizer
from evaluation_testing import FakeModel
from evaluation_testing import UniformModel
from evaluation_testing import figures_of
from evaluation_testing import gpt
from evaluation_testing import logprobs_behind

from gpt_keras.evaluation.perplexity import perplexity
from gpt_keras.evaluation.perplexity import perplexity_task

TEXT = "one two three, 四五 six seven eight nine ten eleven\n"


def _task(*texts, max_length=16, **arguments):
    documents = [(f"text {n}", text) for n, text in enumerate(texts)]
    arguments |= {"max_length": max_length}
    return perplexity_task(documents, ByteTokenizer(), **arguments)


def _plain_loop(model, text, stride, max_length=16):
    """The sum of log-probabilities, each token behind its window's tokens."""
    ids = [0, *text.encode()]
    total = 0.0
    for place in range(1, len(ids)):
        windows_before = max(0, math.ceil((place - max_length) / stride))
        context = ids[windows_before * stride : place]
        total += logprobs_behind(model, context)[ids[place]]
    return total


@pytest.mark.parametrize("stride", [1, 2, 5, 15, 16])
def test_windows_are_every_token_alone(stride):
    figures = figures_of(_task(TEXT, stride=stride))
    total = _plain_loop(FakeModel(), TEXT, stride)
    assert figures["loss"] == pytest.approx(
        -total / len(TEXT.encode()), rel=1e-6
    )


@pytest.mark.parametrize("stride", [3, 16])
def test_a_real_model_too(stride):
    figures = figures_of(_task(TEXT, stride=stride), gpt())
    total = _plain_loop(gpt(), TEXT, stride)
    assert figures["loss"] == pytest.approx(
        -total / len(TEXT.encode()), rel=1e-5
    )


def test_a_shorter_window_than_the_models():
    figures = figures_of(_task(TEXT, max_length=4, stride=2))
    total = _plain_loop(FakeModel(), TEXT, 2, max_length=4)
    assert figures["loss"] == pytest.approx(
        -total / len(TEXT.encode()), rel=1e-6
    )


def test_a_uniform_models_perplexity_is_its_vocabulary():
    task = _task("four words of text\nand three more\n")
    figures = figures_of(task, UniformModel())
    assert figures["token_perplexity"] == pytest.approx(VOCAB_SIZE)
    assert figures["loss"] == pytest.approx(math.log(VOCAB_SIZE))
    assert figures["bits_per_byte"] == pytest.approx(8)  # a token a byte
    assert figures["word_perplexity"] == pytest.approx(2 ** (8 * 34 / 7))
    assert figures["token_accuracy"] == 0  # the likeliest is the byte 0


def test_bytes_and_characters_are_told_apart():
    figures = figures_of(_task("四五 a"), UniformModel())
    assert figures["bits_per_byte"] == pytest.approx(8)
    assert figures["bits_per_character"] == pytest.approx(8 * 8 / 4)


def test_counts_are_of_the_original_text():
    text = " a b @-@ c , d . \n = e = \n"
    task = _task(text, detokenizer="wikitext", counts_line_ends=True)
    assert task.counts == {
        "documents": 1,
        "words": 10 + 2,
        "characters": 26,
        "bytes": 26,
        "tokens": len("a b-c, d.\n= e =\n"),
        "windows": 1,
    }
    assert _task(text).counts["words"] == 10
    figures = figures_of(task, UniformModel())
    assert figures["bits_per_byte"] == pytest.approx(8 * 16 / 26)


def test_each_text_is_read_from_its_beginning():
    texts = ["one two three four five", "six", "seven eight nine"]
    alone = [_plain_loop(FakeModel(), text, 8) for text in texts]
    figures = figures_of(_task(*texts, stride=8))
    count = sum(map(len, texts))
    assert figures["loss"] == pytest.approx(-sum(alone) / count, rel=1e-6)


def test_the_stride_is_half_a_window_by_itself():
    task = _task(TEXT)
    assert task.settings["stride"] == 8
    assert any("every 8 tokens" in line for line in task.protocol)
    assert any("9 tokens of context" in line for line in task.protocol)
    assert _task(TEXT, max_length=1).settings["stride"] == 1


def test_unknown_characters_are_counted():
    class Tokenizer(ByteTokenizer):
        unknown_id = ord("a")

    task = perplexity_task([("", "banana")], Tokenizer(), max_length=4)
    assert task.counts["unknown_tokens"] == 3
    assert "unknown_tokens" not in _task("banana").counts


@pytest.mark.parametrize(
    ("texts", "received"),
    [
        ([], "0 tokens, no text"),
        ([""], "0 tokens, text 0"),
        (["a"], "1 tokens, text 0"),
    ],
)
def test_too_little_text_is_refused(texts, received):
    with pytest.raises(ValueError) as raised:
        _task(*texts)
    assert str(raised.value) == (
        f"The texts must have 2 tokens or more. Received: {received}"
    )


@pytest.mark.parametrize("stride", [0, 17])
def test_a_stride_out_of_range_is_refused(stride):
    with pytest.raises(ValueError, match=f"Received: stride={stride}"):
        _task(TEXT, stride=stride)


def test_what_is_no_number_is_none():
    assert perplexity(1e6, 1) is None
    assert perplexity(1.0, 0) is None
    assert perplexity(math.log(3), 1) == pytest.approx(3)
    figures = figures_of(_task("  "), UniformModel())
    assert figures["word_perplexity"] is None
    assert np.isfinite(figures["loss"])
