"""Tests of answers that are parts of a field, on random texts."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.sampling import SamplingContext
from gpt_keras.generation.spans import OUTSIDE
from gpt_keras.generation.spans import START
from gpt_keras.generation.spans import SpanTable
from gpt_keras.generation.spans import keep_to_spans
from gpt_keras.generation.task_generator import TaskGenerator
from gpt_keras.generation.tasks import make_task
from gpt_keras.model import GPTModel
from gpt_keras.text.special_tokens import with_special_tokens
from gpt_keras.text.template import find_template
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXT = "the cat sat on the mat. ein Häuschen; 猫坐在垫子上 don't stop 👩‍🚀🎉"
WORDS = [
    "the",
    " cat",
    "猫坐",
    "垫",
    "👩‍🚀",
    " Häuschen",
    "\n",
    "!",
    "é",
    "🎉 a",
]


@pytest.fixture(scope="module")
def parts():
    tokenizer = train_byte_pair([TEXT * 3], vocab_size=300)
    tokenizer = with_special_tokens(
        tokenizer, ["<|context|>", "<|question|>", "<|response|>"]
    )
    keras.utils.set_random_seed(2)
    model = GPTModel(
        tokenizer.vocab_size,
        8,
        2,
        16,
        96,
        num_layers=1,
        initializer_stddev=0.6,
    )
    model(np.zeros((1, 1), np.int32))
    return model, tokenizer


@pytest.fixture(scope="module")
def answer():
    return make_task(find_template("answer"), answer_from="context")


@pytest.fixture(scope="module")
def generator(parts, answer):
    return TaskGenerator(*parts, answer)


def random_contexts(count):
    draw = random.Random(5)
    texts = [
        "".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(count)
    ]
    return [*texts, "", "<|question|>the", "a", "\ufffd猫"]


def test_every_answer_is_a_part_of_its_context(generator):
    contexts = random_contexts(40)
    seeds = list(range(len(contexts)))
    size = len(contexts)
    results = generator.run(
        {"temperature": 3.0, "max_new_tokens": 9, "seed": 7},
        context=contexts,
        question=["the mat 猫"] * size,
    )
    for result, context in zip(results, contexts, strict=True):
        assert result.text in context, (result, context)
    assert sum(bool(one.text) for one in results) > size / 4
    # A row has the same answer alone.
    row = max(seeds, key=lambda n: len(results[n].text))
    alone = generator.run(
        {"temperature": 3.0, "max_new_tokens": 9, "seed": 7},
        context=contexts[row],
        question="the mat 猫",
    )
    assert alone.text == results[row].text
    assert len(alone.token_ids) > 2
    pieces = list(
        generator.stream(
            {"temperature": 3.0, "max_new_tokens": 9, "seed": 7},
            context=contexts[row],
            question="the mat 猫",
        )
    )
    assert "".join(pieces) == alone.text and len(pieces) > 1


def test_without_the_rule_answers_are_of_other_words(parts, answer):
    free = TaskGenerator(*parts, answer.with_settings(answer_from=None))
    made = free.run(context="the cat", question="who")
    assert made.text not in "the cat"


def allowed(parts, answer, context, written):
    """The tokens that may follow, as the processor says."""
    _, tokenizer = parts
    fields = {"context": context, "question": "who"}
    prompt = answer.template.encode(tokenizer, fields)
    ids = tf.constant([[*prompt, *written]], tf.int32)
    table = SpanTable(tokenizer)
    spans = table.find(
        tf.constant([prompt]), tf.constant([len(prompt)]), answer.span_segment()
    )
    context = SamplingContext(
        positions=None,
        token_ids=ids,
        lengths=tf.constant([ids.shape[1]]),
        context_lengths=tf.constant([len(prompt)]),
        end_of_text_id=tokenizer.end_of_text_id,
        spans=spans,
    )
    logits = keep_to_spans(tf.zeros([1, tokenizer.vocab_size]), None, context)
    ids = np.flatnonzero(np.isfinite(logits[0])).tolist()
    ids.remove(tokenizer.end_of_text_id)
    return {
        tokenizer.token_bytes(one).decode("utf-8", "replace") for one in ids
    }


def test_the_tokens_that_go_on_are_those_behind_the_answer(parts, answer):
    _, tokenizer = parts
    context = "the cat sat on the mat"
    assert allowed(parts, answer, context, []) >= {"the", " the", " cat"}
    (the,) = tokenizer.encode("the")
    first = {
        tokenizer.token_bytes(x).decode()
        for x in tokenizer.encode(" cat")[:1] + tokenizer.encode(" mat")[:1]
    }
    # Both places: the word without its space stands for that with it.
    assert allowed(parts, answer, context, [the]) == first
    ids = tokenizer.encode(context)
    for size in range(1, len(ids)):
        text = tokenizer.token_bytes(ids[size]).decode()
        assert text in allowed(parts, answer, context, ids[:size])
    assert allowed(parts, answer, context, ids) == set()
    # Not a part of it: nothing goes on but the end.
    assert allowed(parts, answer, context, [*ids[:2], the]) == set()


def test_an_answer_begins_at_a_word_or_at_any_chinese_character(parts, answer):
    _, tokenizer = parts
    ids = tokenizer.encode("xyz ab 猫坐 éf猫")
    special = tokenizer.special_tokens
    row = [0, special["<|context|>"], *ids, special["<|question|>"], ids[0]]
    row[0] = tokenizer.end_of_text_id
    spans = SpanTable(tokenizer).find(
        tf.constant([row]), tf.constant([len(row)]), answer.span_segment()
    )
    places = spans.places.numpy()[0]
    assert places[[0, 1, -2, -1]].tolist() == [OUTSIDE] * 4
    assert OUTSIDE not in places[2:-2]
    starts = b""
    for one, place in zip(row, places, strict=True):
        token = tokenizer.token_bytes(one)
        starts += (b"|" if place == START else b"") + token
    text = starts.decode()
    assert "|xyz" in text and "x|" not in text and "é|f" not in text
    assert text.replace("|", "").startswith("xyz ab 猫坐 éf猫")
    assert "| 猫坐" in text and "f|猫" in text


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("answer", {"beams": 2}, "must be without beams"),
        ("chat", {"answer_from": "messages"}, "without turns"),
        ("answer", {"answer_from": "text"}, "a field between special tokens"),
    ],
)
def test_what_does_not_go_together_is_refused(name, settings, message):
    settings = {"answer_from": "context"} | settings
    with pytest.raises(ValueError, match=message):
        make_task(find_template(name), **settings)
