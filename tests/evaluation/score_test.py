"""Tests of `gpt_keras.evaluation.score`."""

import pytest

from gpt_keras.evaluation.score import check_rows


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([], [], "one prediction or more. Received: none"),
        ("a", [["a"]], "must be a list of strings. Received: 'a'"),
        ([None], [["a"]], "must be a list of strings"),
        (["a"], [["a"], ["b"]], "as many .* Received: 1 and 2"),
        (["a"], "b", "as many"),
        (
            ["a", "b"],
            [["a"], []],
            "one reference or more. Received: none, row 1",
        ),
        (["a", "b"], [["a"], "b"], "list of strings. Received: 'b', row 1"),
        (["a"], [[None]], "list of strings"),
    ],
)
def test_bad_rows_are_named(predictions, references, message):
    with pytest.raises(ValueError, match=message):
        check_rows(predictions, references)


def test_empty_texts_are_texts():
    check_rows(["", "a"], [[""], ("b", "")])
