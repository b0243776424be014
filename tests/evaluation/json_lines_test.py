"""Tests of JSON lines: what is wrong is named by line and field."""

import json

import pytest

from gpt_keras.evaluation.json_lines import json_lines


def _lines(text):
    return list(json_lines(text, "f.jsonl"))


def test_lines_are_read_in_order_with_their_places():
    lines = _lines('{"text": "a\\u2028b"}\n\n {"text": "\u2028"} \n')
    assert [line.text("text") for line in lines] == ["a\u2028b", "\u2028"]
    assert [line.where for line in lines] == [
        "f.jsonl, line 1",
        "f.jsonl, line 3",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": ', "f.jsonl, line 2 must be JSON. Received: Expecting"),
        ("[" * 10**5, "f.jsonl, line 2 must be JSON"),
        ("[1]", "f.jsonl, line 2 must be a JSON object. Received: list"),
        ('"text"', "f.jsonl, line 2 must be a JSON object. Received: str"),
    ],
)
def test_what_is_no_object_is_named(line, message):
    with pytest.raises(ValueError) as raised:
        _lines(f'{{"text": "a"}}\n{line}\n')
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"txt": "a"}, "the field `text` is missing. Received: ['txt']"),
        ({"text": None}, "`text` must be a string. Received: None"),
        ({"text": ["a"]}, "`text` must be a string. Received: ['a']"),
        ({"text": "\ud800"}, "`text` must be free of lone surrogates"),
    ],
)
def test_fields_that_are_missing_or_no_text_are_named(content, message):
    (line,) = _lines(json.dumps(content))
    with pytest.raises(ValueError) as raised:
        line.text("text")
    assert str(raised.value).startswith(f"f.jsonl, line 1: {message}")
