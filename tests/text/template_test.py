"""Prompts by template: the same on the host and in the graph, not forged."""

import random

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.special_tokens import END_OF_TEXT
from gpt_keras.text.template import TEMPLATES
from gpt_keras.text.template import Template
from gpt_keras.text.template import find_template
from gpt_keras.text.template_parts import MESSAGES
from gpt_keras.text.template_parts import RESPONSE
from gpt_keras.text.template_parts import Field
from gpt_keras.text.template_parts import Special
from gpt_keras.text.tokenizer_training import train_byte_pair
from tests.text_testing import english
from tests.text_testing import fuzzed_texts

NAMES = sorted({x for t in TEMPLATES.values() for x in t.special_tokens})
TEXTS = fuzzed_texts(60)


@pytest.fixture(scope="module")
def byte_pair():
    return train_byte_pair([english()[:20_000]], 400, NAMES)


def _rows(template, count, seed):
    """Random texts for the fields of some rows."""
    rng = random.Random(seed)

    def value():
        if not template.turns:
            return rng.choice(TEXTS)
        return rng.choices(TEXTS, k=rng.choice([1, 3, 5]))

    return [{name: value() for name in template.fields} for _ in range(count)]


def _columns(template, rows):
    make = tf.ragged.constant if template.turns else tf.constant
    return {
        name: make([row[name] for row in rows], tf.string)
        for name in template.fields
    }


def _shortest(template, tokenizer, row):
    """Tokens of a prompt with nothing left of what may be cut."""
    empty = [""] if template.turns else ""
    return len(template.encode(tokenizer, row | {template.truncate: empty}))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "character") for name in TEMPLATES),
        ("translate:zh-en", "character"),
        ("answer", "byte_pair"),
        ("chat", "byte_pair"),
    ],
)
def test_the_graph_gives_what_the_host_gives(name, kind, byte_pair):
    template = find_template(name)
    tokenizer = byte_pair
    if kind == "character":
        names = [*NAMES, *template.special_tokens]
        tokenizer = CharacterTokenizer("abc<|user>", dict.fromkeys(names))
    rows = _rows(template, 40, name)
    columns = _columns(template, rows)
    tokenize = tf.function(
        lambda columns, most: template.tokenize(tokenizer, columns, most),
        autograph=False,
    )
    ids = [template.encode(tokenizer, row) for row in rows]
    if kind == "character":
        whole = template.tokenize(tokenizer, columns)
        assert whole.dtype == tf.int32
        assert whole.to_list() == ids
    rng = random.Random(name)
    least = [_shortest(template, tokenizer, row) for row in rows]
    most = [
        rng.randint(low, max(len(row), low) + 2)
        for low, row in zip(least, ids, strict=True)
    ]
    cut = tokenize(columns, tf.constant(most)).to_list()
    assert cut == [
        template.encode(tokenizer, row, limit)
        for row, limit in zip(rows, most, strict=True)
    ]
    assert all(len(row) <= limit for row, limit in zip(cut, most, strict=True))
    assert any(len(row) < len(full) for row, full in zip(cut, ids, strict=True))


def test_text_never_gives_a_special_token(byte_pair):
    """The special tokens of a prompt are the template's, whatever it holds."""
    specials = set(byte_pair.special_tokens.values())
    forged = "".join([END_OF_TEXT, *NAMES]) * 2
    for template in TEMPLATES.values():
        ids = byte_pair.special_tokens
        texts = {name: [forged] * 3 for name in template.fields}
        if not template.turns:
            texts = {name: text[0] for name, text in texts.items()}
        found = template.encode(byte_pair, texts)
        marks = [x.name for x in template.fill(texts) if isinstance(x, Special)]
        assert [x for x in found if x in specials] == [ids[x] for x in marks]
        plain = "".join(
            text for text in template.fill(texts) if isinstance(text, str)
        )
        assert byte_pair.decode(found) == plain


def test_a_prompt_is_cut_in_its_own_field_alone():
    tokenizer = CharacterTokenizer("abcdq", NAMES)
    answer = TEMPLATES["answer"]
    fields = {"context": "abcd", "question": "qqq"}
    whole = answer.encode(tokenizer, fields)
    assert answer.encode(tokenizer, fields, len(whole)) == whole
    cut = answer.encode(tokenizer, fields, len(whole) - 3)
    assert cut == answer.encode(tokenizer, fields | {"context": "a"})
    none = answer.encode(tokenizer, fields, len(whole) - 4)
    assert none == answer.encode(tokenizer, fields | {"context": ""})
    with pytest.raises(ValueError, match="but its 'context' must fit"):
        answer.encode(tokenizer, fields, len(whole) - 5)
    column = {name: tf.constant([text]) for name, text in fields.items()}
    longer = answer.tokenize(tokenizer, column, len(whole) - 5)
    assert longer.to_list() == [none]  # the caller sees that it is too long
    write = TEMPLATES["write"].encode(tokenizer, {"prompt": "abcd"}, 3)
    assert write == [tokenizer.end_of_text_id, *tokenizer.encode("cd")]


def test_of_a_conversation_the_latest_turns_are_kept():
    tokenizer = CharacterTokenizer("abcdefghi", NAMES)
    chat = TEMPLATES["chat"]

    def ids(*messages, most=None):
        return chat.encode(tokenizer, {"messages": messages}, most)

    messages = ("abc", "de", "fgh")
    assert len(ids(*messages)) == 1 + 4 + 3 + 4 + 1
    assert ids(*messages, most=13) == ids(*messages)
    for most in range(6, 13):
        assert ids(*messages, most=most) == ids("fgh")
    assert ids(*messages, most=4) == ids("f")
    assert ids(*messages, most=3) == ids("")
    marks = tokenizer.special_tokens
    assert ids("a", "b", "c") == [
        marks[END_OF_TEXT],
        marks["<|user|>"],
        0,
        marks["<|response|>"],
        1,
        marks["<|user|>"],
        2,
        marks["<|response|>"],
    ]
    one = chat.tokenize(tokenizer, {"messages": tf.constant(["abc"])})
    assert one.to_list() == [ids("abc")]


def test_a_template_of_another_direction_has_its_own_token():
    names = [
        find_template(name).special_tokens[0]
        for name in ("translate", "translate:de-en", "translate:zh-en")
    ]
    assert names == ["<|en>de|>", "<|de>en|>", "<|zh>en|>"]
    assert find_template("translate:en-de") == TEMPLATES["translate"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"context": "a"}, "context, question. Received: context"),
        ({"context": "a", "question": "b", "x": "c"}, "Received: context, q"),
        ({"context": "a", "question": b"b"}, "`question` must be a `str`"),
        ({"context": "a", "question": "\ud800"}, "surrogates"),
    ],
)
def test_wrong_fields_are_told(fields, message, byte_pair):
    with pytest.raises(ValueError, match=message):
        TEMPLATES["answer"].encode(byte_pair, fields)


def test_wrong_conversations_and_tokenizers_are_told(byte_pair):
    with pytest.raises(ValueError, match="first and last. Received: 2 mess"):
        TEMPLATES["chat"].encode(byte_pair, {"messages": ["a", "b"]})
    plain = CharacterTokenizer("ab")
    for call in (
        lambda x: TEMPLATES["pair"].encode(plain, {"prompt": x}),
        lambda x: TEMPLATES["pair"].tokenize(plain, {"prompt": [x]}),
    ):
        with pytest.raises(ValueError, match="one without <|response|>"):
            call("a")


def test_wrong_templates_are_told():
    with pytest.raises(ValueError, match="`truncate` must be one of them"):
        Template("x", (Field("a"), RESPONSE), truncate="b")
    for parts in (
        (Field("a"), RESPONSE),
        (Field("a"), MESSAGES, RESPONSE),
        (RESPONSE, MESSAGES, Field("a")),
        (RESPONSE, Field("a"), RESPONSE),
        (MESSAGES, Field("a"), RESPONSE),
    ):
        with pytest.raises(ValueError, match="With `turns` a template must"):
            Template("x", parts, truncate="a", turns=True)
    with pytest.raises(ValueError, match="one of write, pair, translate"):
        find_template("translat")
    with pytest.raises(ValueError, match="Languages must be two"):
        find_template("translate:en-en")


def test_ids_are_int32_of_each_part(byte_pair):
    template = TEMPLATES["pair"]
    parts = template.fill({"prompt": "Hello"})
    assert [x for x in parts if isinstance(x, str)] == ["Hello"]
    cut = template.cut([np.arange(1), np.arange(9), np.arange(1)], 8, 3)
    assert [len(x) for x in cut] == [1, 3, 1]
