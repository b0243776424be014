"""Tests of multiple choice, against a plain loop."""

import pytest
from evaluation_testing import ByteTokenizer
from evaluation_testing import FakeModel
from evaluation_testing import UniformModel
from evaluation_testing import figures_of
from evaluation_testing import gpt
from evaluation_testing import score_alone

from gpt_keras.evaluation.json_lines import JsonLine
from gpt_keras.evaluation.multiple_choice import Choice
from gpt_keras.evaluation.multiple_choice import clean
from gpt_keras.evaluation.multiple_choice import multiple_choice_task
from gpt_keras.evaluation.multiple_choice import read_choice

CHOICES = [
    Choice("a man", ["sits", "runs away", "四", "is"], 0, "line 1"),
    Choice("", ["one", "two or three"], 1, "line 2"),
    Choice("a very long context is cut", ["x", "yyyyyyy"], 1, "line 3"),
]


def _task(*choices, max_length=16):
    return multiple_choice_task(choices, ByteTokenizer(), max_length=max_length)


@pytest.mark.parametrize("model", [FakeModel(), gpt()])
@pytest.mark.parametrize("shift", [0, 1])
def test_figures_are_those_of_a_plain_loop(model, shift):
    choices = [
        choice._replace(label=(choice.label + shift) % len(choice.endings))
        for choice in CHOICES
    ]
    right = right_per_byte = 0
    for choice in choices:
        context = [*choice.context.encode()] or [0]
        totals = [
            score_alone(model, context, [*f" {ending}".encode()])[0]
            for ending in choice.endings
        ]
        means = [
            total / len(ending.encode())
            for total, ending in zip(totals, choice.endings, strict=True)
        ]
        right += totals.index(max(totals)) == choice.label
        right_per_byte += means.index(max(means)) == choice.label
    figures = figures_of(_task(*choices), model)
    assert figures == pytest.approx(
        {
            "accuracy": right / 3,
            "accuracy_per_byte": right_per_byte / 3,
            "chance_accuracy": (1 / 4 + 1 / 2 + 1 / 2) / 3,
        }
    )


def test_the_likelihood_is_divided_by_the_endings_bytes():
    # Uniform: the fewest tokens win; by byte, the space weighs least in the
    # most bytes.
    choice = Choice("a", ["bb", "c", "四四"], 1, "line 1")
    for label, (accuracy, per_byte) in {
        0: (0, 0),
        1: (1, 0),
        2: (0, 1),
    }.items():
        figures = figures_of(
            _task(choice._replace(label=label)), UniformModel()
        )
        assert figures["accuracy"] == accuracy
        assert figures["accuracy_per_byte"] == per_byte


def test_of_equal_endings_the_first_is_chosen():
    choice = Choice("a", ["b", "c"], 0, "line 1")
    assert figures_of(_task(choice), UniformModel())["accuracy"] == 1


def test_counts():
    assert _task(*CHOICES).counts == {
        "items": 3,
        "endings": 8,
        "tokens": 5 + 10 + 4 + 3 + 4 + 13 + 2 + 8,
        "truncated_endings": 2,
    }


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("How to [title] Begin [step] at once", "How to. Begin at once"),
        ("[header] Wash [title] Soak. [substeps] Dry.", "Wash. Soak. Dry."),
        ("two  spaces\nand a line ", "two spaces and a line"),
        ("a [b [c]] d", "a [b ] d"),
        ("[step]", ""),
    ],
)
def test_marks_are_taken_out(text, cleaned):
    assert clean(text) == cleaned


def _line(**fields):
    content = {"ctx": "a [title] b", "endings": ["c", "d  e"], "label": 1}
    return JsonLine(content | fields, "f.jsonl, line 7")


def test_reads_hellaswags_fields():
    assert read_choice(_line(ind=3, activity_label="x")) == Choice(
        "a. b", ["c", "d e"], 1, "f.jsonl, line 7"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": 2}, "`label` must be an integer from 0 to 1. Received: 2"),
        ({"label": -1}, "`label` must be an integer from 0 to 1. Received: -1"),
        ({"label": "1"}, "must be an integer from 0 to 1. Received: '1'"),
        ({"label": True}, "must be an integer from 0 to 1. Received: True"),
        ({"ctx": 5}, "`ctx` must be a string. Received: 5"),
        ({"endings": "cd"}, "`endings` must be a list of two strings or more"),
        ({"endings": ["c"]}, "`endings` must be a list of two strings or more"),
        ({"endings": ["c", 1]}, "`endings[1]` must be a string. Received: 1"),
        ({"endings": ["c", "[d]"]}, "must have text, brackets aside"),
    ],
)
def test_bad_items_are_named_by_line_and_field(fields, message):
    with pytest.raises(ValueError) as raised:
        read_choice(_line(**fields))
    assert str(raised.value).startswith("f.jsonl, line 7: ")
    assert message in str(raised.value)


def test_no_items_are_refused():
    with pytest.raises(ValueError, match="one item or more"):
        _task()


def test_an_ending_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="7 tokens, line 9, ending 1"):
        _task(Choice("a", ["b", "abcdef"], 0, "line 9"), max_length=6)
