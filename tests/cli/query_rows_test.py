"""Tests of `gpt_keras.cli.query_rows`."""

import json

import numpy as np
import pytest

from gpt_keras.cli.query_rows import as_rows
from gpt_keras.cli.query_rows import columns
from gpt_keras.cli.query_rows import given_rows
from gpt_keras.cli.query_rows import read_rows
from gpt_keras.serving.client_protocol import SignatureInfo


def _info(*names):
    return SignatureInfo(dict.fromkeys(names), {})


def test_lines_are_prompts_or_inputs_by_name(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = ["猫", {"prompts": "a", "seed": 3}, {"texts": {"b64": "/w=="}}]
    path.write_text("\n\n".join(map(json.dumps, lines)))
    assert list(read_rows(str(path))) == [
        {"prompts": "猫"},
        {"prompts": "a", "seed": 3},
        {"texts": b"\xff"},
    ]
    path.write_text('"a"\n{"prompts": {"b64": "?"}}\n')
    with pytest.raises(ValueError, match="rows.jsonl:2 must be"):
        list(read_rows(str(path)))


def test_flags_give_rows_side_by_side():
    assert given_rows(["a", "b"], []) == [{"prompts": "a"}, {"prompts": "b"}]
    assert given_rows(["a"], ["b"]) == [{"prompts": "a", "texts": "b"}]
    assert given_rows([], ["b"]) == [{"texts": "b"}]
    with pytest.raises(ValueError, match="2 prompts, 1 texts"):
        given_rows(["a", "b"], ["c"])


def test_a_row_stands_before_the_flags_and_what_completes_at_once():
    rows = [{"prompts": "a"}, {"prompts": "b", "seed": 5, "stop": ["x", "y"]}]
    info = _info("prompts", "seed", "stop", "steps", "continuation")
    found = columns(rows, info, {"seed": 1, "stop": ["."], "top_k": 3})
    assert found == {
        "prompts": ["a", "b"],
        "seed": [1, 5],
        "stop": [".", "x\x1fy"],
        "steps": [0, 0],
        "continuation": ["", ""],
    }


def test_ids_of_any_length_get_their_lengths():
    rows = [{"token_ids": [1, 2, 3]}, {"token_ids": [4]}]
    found = columns(rows, _info("token_ids", "lengths"), {})
    assert list(found["lengths"]) == [3, 1]
    assert list(found["token_ids"][1])[:1] == [4]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompts": "a", "text": "b"}, r"Row 1 .* Received: \['text'\]"),
        ({}, r"Row 1 must have \['prompts'\]"),
    ],
)
def test_an_input_too_many_or_too_few_is_named(row, message):
    with pytest.raises(ValueError, match=message):
        columns([row], _info("prompts"), {})


def test_bytes_come_out_in_base64():
    outputs = {"texts": [b"\xff", b"a"], "ids": np.array([[1, 2], [3, 4]])}
    assert list(as_rows(outputs)) == [
        {"texts": {"b64": "/w=="}, "ids": [1, 2]},
        {"texts": {"b64": "YQ=="}, "ids": [3, 4]},
    ]
