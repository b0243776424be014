"""Tests of an evaluation: it can be stopped, and refuses what can't be."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from evaluation_testing import ByteTokenizer
from evaluation_testing import FakeModel
from evaluation_testing import figures_of
from evaluation_testing import gpt

from gpt_keras.evaluation.evaluator import evaluate
from gpt_keras.evaluation.passages import Passage
from gpt_keras.evaluation.perplexity import perplexity_task
from gpt_keras.evaluation.task import Task

TEXTS = [("a", "one two three four five six " * 5), ("b", "seven"), ("c", "8")]


def _task(stride=3, documents=TEXTS):
    return perplexity_task(
        documents, ByteTokenizer(), max_length=16, stride=stride
    )


def _evaluate(task=None, model=None, **arguments):
    return evaluate(
        model or FakeModel(), ByteTokenizer(), task or _task(), **arguments
    )


class _StopsAfter:
    """Progress that is interrupted as by the keyboard."""

    def __init__(self, batches):
        self.left = batches

    def __call__(self, read, total):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1


@pytest.mark.parametrize("tokens_per_batch", [1, 16, 50, 10**6])
def test_the_size_of_batches_does_not_matter(tokens_per_batch):
    expected = figures_of(_task(), gpt(), tokens_per_batch=40)
    figures = figures_of(_task(), gpt(), tokens_per_batch=tokens_per_batch)
    assert figures == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("batches", [1, 2, 4])
def test_a_stopped_evaluation_goes_on_to_the_same_figures(tmp_path, batches):
    arguments = {"partial_file": tmp_path / "p", "tokens_per_batch": 40}
    whole = _evaluate(model=gpt(), tokens_per_batch=40)
    with pytest.raises(KeyboardInterrupt):
        _evaluate(model=gpt(), **arguments, progress=_StopsAfter(batches))
    calls = []
    resumed = _evaluate(
        model=gpt(), **arguments, progress=lambda *call: calls.append(call)
    )
    assert resumed.figures == whole.figures
    scored = [len(json.loads(line)) for line in open(tmp_path / "p")]
    assert resumed.resumed_passages == sum(scored[1 : batches + 1])
    assert whole.resumed_passages == 0
    assert len(calls) == len(scored) - batches


def test_a_finished_evaluation_is_not_made_again(tmp_path):
    first = _evaluate(partial_file=tmp_path / "p")
    again = _evaluate(partial_file=tmp_path / "p")
    assert again.figures == first.figures
    assert again.resumed_passages == len(_task().passages)
    assert again.tokens_per_second == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"task": _task(stride=4)}, "the settings"),
        ({"task": _task(documents=TEXTS[:2])}, "the passages"),
        ({"model": FakeModel(17)}, "the model's configuration"),
        ({"model": gpt()}, "the model's weights"),
    ],
)
def test_another_evaluation_is_not_mixed_in(tmp_path, change, named):
    _evaluate(partial_file=tmp_path / "p")
    before = (tmp_path / "p").read_bytes()
    with pytest.raises(ValueError) as raised:
        _evaluate(partial_file=tmp_path / "p", **change)
    assert "holds the beginning of another evaluation" in str(raised.value)
    assert f"{named}: " in str(raised.value)
    assert (tmp_path / "p").read_bytes() == before


def test_progress_counts_the_tokens_that_were_read():
    calls = []
    _evaluate(tokens_per_batch=40, progress=lambda *call: calls.append(call))
    total = sum(len(passage.token_ids) - 1 for passage in _task().passages)
    assert calls[0] == (0, total) and calls[-1] == (total, total)
    assert [read for read, _ in calls] == sorted({read for read, _ in calls})


def test_says_what_it_was_that_was_evaluated():
    evaluation = _evaluate(model=gpt())
    assert evaluation.model["parameters"] == gpt().count_params()
    assert evaluation.tokenizer["fingerprint"] == "f"
    assert evaluation.seconds > 0 and evaluation.tokens_per_second > 0


def test_a_probability_that_is_no_number_is_named():
    class Broken(FakeModel):
        def logits(self, hidden):
            logits = super().logits(hidden)
            return tf.where(hidden == 3 + ord("s") % 1009, np.nan, logits)

        def hidden_states(self, token_ids, training=None):
            return tf.cast(token_ids, tf.float32)[:, :, None] + 3, None

    task = _task(documents=[("a", "one two"), ("b", "two, as before")])
    with pytest.raises(ValueError) as raised:
        _evaluate(task, Broken())
    assert str(raised.value) == (
        "The model must give every token a probability. Received: a "
        "log-probability of nan, b, from token 1"
    )


def test_a_tokenizer_that_is_larger_than_the_model_is_refused():
    with pytest.raises(ValueError) as raised:
        _evaluate(model=gpt(200))
    assert str(raised.value) == (
        "The tokenizer's vocabulary must not be larger than the model's. "
        "Received: 256 and 200 ids"
    )


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 256], "Token ids must be from 0 to 255. Received: 256, here"),
        ([1, -1], "Token ids must be from 0 to 255. Received: -1, here"),
        ([1] * 18, "The model reads 16 tokens at most. Received: 17 tokens"),
    ],
)
def test_passages_that_do_not_fit_are_named(ids, message):
    passage = Passage(np.array(ids, np.int32), 1, "here")
    task = Task({}, [], {}, [passage], lambda scores: {})
    with pytest.raises(ValueError) as raised:
        _evaluate(task)
    assert str(raised.value).startswith(message)


def test_16_bits_are_near():
    import keras

    from gpt_keras.model import GPTModel

    low = GPTModel.from_config(
        gpt().get_config()
        | {"dtype": keras.dtype_policies.DTypePolicy("mixed_bfloat16")}
    )
    low(np.zeros((1, 1), np.int32))
    low.set_weights(gpt().get_weights())
    one, other = figures_of(_task(), gpt()), figures_of(_task(), low)
    assert other["loss"] == pytest.approx(one["loss"], rel=0.02)
    assert math.isfinite(other["loss"])
