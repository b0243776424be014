"""Records of known datasets as prompts and responses."""

import pytest

from gpt_keras.data.pair_columns import make_example
from gpt_keras.data.pair_records import Record
from gpt_keras.text.template import find_template


def _example(template, **values):
    record = Record("f, line 3", values)
    return make_example(record, find_template(template))


def _messages(*texts, first=()):
    roles = ["user", "assistant"] * len(texts)
    pairs = zip(roles, texts, strict=False)
    return [*first, *({"role": r, "content": text} for r, text in pairs)]


@pytest.mark.parametrize(
    ("template", "values", "fields", "references"),
    [
        # As of WMT, SQuAD, CNN/DailyMail, XSum, SciTLDR and poems.
        ("translate:de-en", {"en": "a", "de": "b"}, {"source": "b"}, ("a",)),
        ("translate:en-de", {"en": "a", "de": "b"}, {"source": "a"}, ("b",)),
        (
            "answer",
            {"context": "c", "question": "q", "answers": {"text": ["a", "b"]}},
            {"context": "c", "question": "q"},
            ("a", "b"),
        ),
        (
            "answer",
            {"context": "c", "question": "q", "answers": []},
            {"context": "c", "question": "q"},
            ("",),
        ),
        (
            "answer",
            {"context": "c", "question": "q", "answer": "a"},
            {"context": "c", "question": "q"},
            ("a",),
        ),
        (
            "summarise",
            {"article": "d", "highlights": "s", "id": 3},
            {"document": "d"},
            ("s",),
        ),
        (
            "summarise",
            {"source": ["One.", "Two."], "target": ["a", "b", "a"]},
            {"document": "One. Two."},
            ("a", "b"),
        ),
        (
            "summarise",
            {"document": "d", "summary": "s", "title": "t"},
            {"document": "d"},
            ("s",),
        ),
        ("pair", {"prompt": "a", "response": "b"}, {"prompt": "a"}, ("b",)),
        # As of Dolly.
        (
            "pair",
            {"instruction": "a", "context": "c", "response": "b"},
            {"prompt": "a\n\nc"},
            ("b",),
        ),
        (
            "pair",
            {"instruction": "a", "context": "", "response": "b"},
            {"prompt": "a"},
            ("b",),
        ),
        (
            "write",
            {"paragraphs": ["一，", "二。"], "title": "t"},
            {"prompt": ""},
            ("一，\n二。",),
        ),
        (
            "chat",
            {"messages": _messages("a", "b", "c", "d")},
            {"messages": ("a", "b", "c")},
            ("d",),
        ),
        (
            "chat",
            {
                "messages": _messages(
                    "a", "b", first=[{"role": "system", "content": "s"}]
                )
            },
            {"messages": ("s\n\na",)},
            ("b",),
        ),
    ],
)
def test_known_columns(template, values, fields, references):
    example = _example(template, **values)
    assert example.fields == fields
    assert example.references == references
    assert example.response == references[0]
    example.template.fill(example.fields)


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        ("pair", {"text": "a"}, "a column prompt or instruction. Received: 't"),
        ("pair", {"prompt": "a"}, "a column response or completion"),
        ("pair", {"prompt": " ", "response": "b"}, "`prompt` must be text"),
        ("pair", {"prompt": "a", "response": ""}, "`response` must be text"),
        ("pair", {"prompt": "a", "response": 3}, "`response` must be text"),
        ("pair", {"prompt": ["a", 3], "response": "b"}, "`prompt` must be t"),
        ("translate:en-zh", {"en": "a"}, "a column zh or target or response"),
        ("chat", {"messages": "a"}, "a list of objects with a `role`"),
        ("chat", {"messages": []}, "Received: none"),
        ("chat", {"messages": _messages("a")}, "the model's last"),
        ("chat", {"messages": _messages("a", "")}, "`content` of each mess"),
        (
            "chat",
            {"messages": _messages("a", "b")[::-1]},
            "Received: model, user",
        ),
        (
            "chat",
            {"messages": [{"role": "tool", "content": "a"}]},
            "one of assistant, model, user, system",
        ),
    ],
)
def test_what_is_missing_is_named(template, values, message):
    with pytest.raises(ValueError, match="f, line 3.*" + message):
        _example(template, **values)
