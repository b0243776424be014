"""Tests of `gpt_keras.inspection.token_labels`."""

import pytest

from gpt_keras.inspection.token_labels import TokenLabels
from gpt_keras.inspection.token_labels import fitted
from gpt_keras.inspection.token_labels import width_of


class OneToken:
    """A tokenizer with these bytes for token 0, and two without any."""

    special_tokens = {"<|endoftext|>": 1}

    def __init__(self, piece=b""):
        self.piece = piece

    def token_bytes(self, token_id):
        return self.piece if token_id == 0 else b""


@pytest.mark.parametrize(
    ("piece", "label"),
    [
        (b" the", "␣the"),
        (b"\n\n  ", r"\n\n␣␣"),
        (b"\t\r", r"\t\r"),
        (b"\\n", r"\\n"),
        ("猫é".encode(), "猫é"),
        (b"\xe7\x8c", r"\xe7\x8c"),
        (b"\xab", r"\xab"),
        (b"a\xe7\x8c\xab\xe7", r"a猫\xe7"),
        (b"\x00\x7f", r"\x00\x7f"),
        ("\u200b".encode(), r"\xe2\x80\x8b"),
        ("␣".encode(), r"\xe2\x90\xa3"),
    ],
)
def test_every_byte_can_be_seen(piece, label):
    assert TokenLabels(OneToken(piece))(0) == label


def test_tokens_without_bytes_have_a_name_or_their_number():
    labels = TokenLabels(OneToken())
    assert labels(1) == "<|endoftext|>"
    assert labels(2) == "<2>"


def test_what_cannot_be_shown_is_spelt_and_remembered():
    labels = TokenLabels(OneToken("a猫b\n".encode()), str.isascii)
    assert labels.hidden == set()
    assert labels(0) == r"a\xe7\x8c\xabb\n"
    assert labels.spell("é猫 \\") == "\\xc3\\xa9\\xe7\\x8c\\xab␣\\"
    assert labels.hidden == {"猫", "é"}


@pytest.mark.parametrize(
    ("label", "width", "expected"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("猫猫猫", 6, "猫猫猫"),
        ("猫猫猫", 5, "猫猫…"),
        ("猫猫猫", 4, "猫…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("ab", 1, "…"),
    ],
)
def test_a_label_is_cut_to_columns(label, width, expected):
    assert fitted(label, width) == expected
    assert width_of(expected) <= width
