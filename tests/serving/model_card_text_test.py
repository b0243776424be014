"""Tests of the model card's Markdown."""

import re

import pytest

from gpt_keras.serving.model_card_text import to_markdown

CARD = {
    "contract": 1,
    "name": "gpt",
    "date": "2030-01-02T03:04:05+00:00",
    "software": {"gpt_keras": None, "keras": "3.15.1"},
    "intended_use": "To be tested.",
    "limitations": "It is a test.",
    "notes": "",
    "signatures": {
        "logits": {
            "inputs": [
                {
                    "name": "token_ids",
                    "dtype": "int32",
                    "shape": [None, None],
                    "meaning": "Tokens.",
                }
            ],
            "outputs": [
                {
                    "name": "logits",
                    "dtype": "float32",
                    "shape": [None, None, 50257],
                    "meaning": "Scores.",
                },
                {
                    "name": "error",
                    "dtype": "string",
                    "shape": None,
                    "meaning": "The rule.",
                },
            ],
        }
    },
    "defaults": {"temperature": 0.8, "stop": ["\n", "a|b"], "seed": -1},
    "limits": {"max_length": 1024, "max_new_tokens": None},
    "policy": {"redact": [], "watermark": True},
    "model": {"parameters": 124439808, "configuration": {"tie": False}},
    "weights": {"dtype": "float32", "loss": {"difference": 1.23456789e-5}},
    "tokenizer": {"special_tokens": {"<|endoftext|>": 3}, "fingerprint": "f"},
    "training": {"data": {"splits": {"train": {"tokens": 12345}}}},
}


def cells(line):
    """Returns a row of a table as GitHub cuts it."""
    assert line.startswith("| ") and line.endswith(" |")
    return [x.strip() for x in re.split(r"(?<!\\)\|", line)[1:-1]]


def tables(text):
    return [
        [cells(line) for line in part.splitlines()]
        for part in text.split("\n\n")
        if part.startswith("|")
    ]


def values(card):
    """Returns the rows of all tables of two columns."""
    rows = [row for table in tables(to_markdown(card)) for row in table]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def test_every_table_has_a_heading_and_equal_rows():
    found = tables(to_markdown(CARD))
    assert len(found) == 2 + 7
    for heading, rule, *rows in found:
        assert rule == ["---"] * len(heading)
        assert rows
        assert {len(row) for row in rows} == {len(heading)}


def test_sections_come_in_order_and_only_when_they_hold_something():
    headings = re.findall(r"^##? (.*)$", to_markdown(CARD), re.MULTILINE)
    assert headings == [
        "Model card: gpt",
        "Intended use",
        "Limitations",
        "Signatures",
        "Defaults",
        "Limits",
        "Policy",
        "Model",
        "Weights",
        "Tokenizer",
        "Data and training",
    ]
    assert "Data and training" not in to_markdown(CARD | {"training": {}})


def test_signatures():
    inputs, outputs = tables(to_markdown(CARD))[:2]
    assert "### `logits`\n" in to_markdown(CARD)
    assert inputs == [
        ["input", "type", "shape", "meaning"],
        ["---"] * 4,
        ["`token_ids`", "int32", "(batch, length)", "Tokens."],
    ]
    assert outputs[2:] == [
        ["`logits`", "float32", "(batch, length, 50,257)", "Scores."],
        ["`error`", "string", "any", "The rule."],
    ]


def test_values_are_shown_for_people():
    shown = values(CARD)
    del shown["name"], shown["---"]
    assert shown == {
        "`temperature`": "0.8",
        "`stop`": r'"\\n", "a\|b"',
        "`seed`": "-1",
        "`max_length`": "1,024",
        "`max_new_tokens`": "–",
        "`redact`": "–",
        "`watermark`": "yes",
        "`parameters`": "124,439,808",
        "`configuration.tie`": "no",
        "`dtype`": "float32",
        "`loss.difference`": "1.23457e-05",
        r"`special_tokens.<\|endoftext\|>`": "3",
        "`fingerprint`": "f",
        "`data.splits.train.tokens`": "12,345",
    }


@pytest.mark.parametrize("text", ["a|b", "a\nb", "x`y", "<script>", "*a*", ""])
def test_no_text_breaks_a_table(text):
    card = CARD | {"defaults": {"overflow": text, "stop": [text]}}
    assert len(tables(to_markdown(card))) == 9
    assert values(card)["`overflow`"].replace("\\", "") == (
        text.replace("\n", " ") or "–"
    )


def test_notes_stand_as_they_are():
    notes = "Ours: *see* [us](https://example.com).\n\n- one\n- two\n"
    text = to_markdown(CARD | {"notes": notes})
    assert f"## Notes of the deployer\n\n{notes}\n## Signatures" in text
