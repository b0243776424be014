"""Tests of `gpt_keras.cli.generation_examples`."""

import pytest

from gpt_keras.cli.generation_examples import generation_task
from gpt_keras.data.pair_columns import make_example
from gpt_keras.data.pair_records import Record
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.special_tokens import with_special_tokens
from gpt_keras.text.template import find_template


def _task(template, *records, **options):
    template = find_template(template)
    tokenizer = with_special_tokens(
        CharacterTokenizer("abcdefgh ABC.我爱你"), template.special_tokens
    )
    examples = [make_example(Record("x", row), template) for row in records]
    options = {"max_length": 40, **options}
    return tokenizer, generation_task(examples, tokenizer, **options)


def test_prompts_are_those_of_the_template_and_leave_room():
    row = {"context": "ab ABC cd " * 9, "question": "a b", "answers": ["ABC"]}
    tokenizer, task = _task("answer", row)
    assert task.settings["max_new_tokens"] == 20  # half of 40
    (example,) = task.examples
    assert len(example.prompt) == example.size == 20
    template = find_template("answer")
    fields = {"context": row["context"], "question": row["question"]}
    assert example.prompt == template.encode(tokenizer, fields, 20)
    assert example.references == ("ABC",) and example.baseline == "ABC"
    assert example.shown == fields and task.metrics == ("exact_match", "f1")


@pytest.mark.parametrize(
    ("template", "row", "options", "expected"),
    [
        ("translate:en-zh", {"en": "a", "zh": "b"}, {}, "zh"),
        ("pair", {"prompt": "a", "response": "我爱 a"}, {}, "zh"),
        ("pair", {"prompt": "我", "response": "a b c 我"}, {}, "en"),
        ("pair", {"prompt": "a", "response": "b"}, {"language": "de"}, "de"),
    ],
)
def test_the_language_is_the_targets(template, row, options, expected):
    assert _task(template, row, **options)[1].language == expected


def test_a_text_to_write_is_cut_in_two_between_words():
    _, task = _task("write", {"text": "abc def gh abc"}, {"text": "我爱你你"})
    first, second = task.examples
    assert first.shown == {"prompt": "abc def"}
    assert first.references == (" gh abc",)
    assert second.shown == {"prompt": "我爱"}
    assert second.references == ("你你",)
    assert task.baseline_scores() == {}


def test_prompts_that_are_too_long_may_be_left_out():
    rows = [
        {"context": "a", "question": x, "answers": []} for x in ("b" * 30, "c")
    ]
    with pytest.raises(ValueError, match="^x: All of a prompt"):
        _task("answer", *rows)
    _, task = _task("answer", *rows, leave_out=True)
    assert [x.shown["question"] for x in task.examples] == ["c"]
    assert task.examples[0].references == ("",)
    with pytest.raises(ValueError, match="^x: All of a prompt"):
        _task("answer", rows[0], leave_out=True)


def test_bad_input_is_named():
    row = {"prompt": "a", "response": "b"}
    with pytest.raises(ValueError, match="one pair or more"):
        _task("pair")
    with pytest.raises(ValueError, match="from 1 to 39.*max_new_tokens=40"):
        _task("pair", row, max_new_tokens=40)
    with pytest.raises(ValueError, match="^x: All of a prompt"):
        _task("pair", row, max_length=3, max_new_tokens=2)
