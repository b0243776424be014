"""Bytes that are and are not UTF-8."""

import codecs
import io
import random

import pytest

from gpt_keras.data.text_decoding import check_errors
from gpt_keras.data.text_decoding import decode_file
from gpt_keras.data.text_decoding import decode_text


@pytest.mark.parametrize(
    "data, text",
    [
        (b"", ""),
        (b"a\r\nb\rc\nd\r\r\ne", "a\nb\nc\nd\n\ne"),
        (codecs.BOM_UTF8 + "é\n".encode(), "é\n"),
        (codecs.BOM_UTF8, ""),
        ("a\ufeffb\u2028c\x85".encode(), "a\ufeffb\u2028c\x85"),
        ("漢字 \U0001f600".encode(), "漢字 \U0001f600"),
    ],
)
def test_utf8_loses_its_mark_and_carriage_returns_only(data, text):
    assert decode_text(data, "a.txt", "strict") == text


@pytest.mark.parametrize(
    "prefix, line, offset",
    [
        (b"", 1, 0),
        (b"abc", 1, 3),
        (b"abc\n", 2, 4),
        (b"a\r\nb\rc\n", 4, 7),
        (codecs.BOM_UTF8 + b"a\n", 2, 5),
        ("é\né".encode(), 2, 5),
    ],
)
def test_error_names_file_line_byte_and_remedy(prefix, line, offset):
    data = prefix + b"\xe9 Latin-1\n"
    with pytest.raises(ValueError) as raised:
        decode_text(data, "folder/a.txt", "strict")
    message = str(raised.value)
    assert f"folder/a.txt, line {line}, byte offset {offset}:" in message
    assert "0xe9" in message
    assert "errors='replace'" in message


def test_replace_keeps_what_can_be_decoded():
    text = decode_text(b"caf\xe9\r\nok", "a.txt", "replace")
    assert text == "caf\ufffd\nok"


@pytest.mark.parametrize("errors", ["strict", "replace"])
@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-32"])
def test_wide_encodings_are_recognised(encoding, errors):
    with pytest.raises(ValueError, match=f"a.txt .* mark of {encoding}:"):
        decode_text("text".encode(encoding), "a.txt", errors)


def test_unknown_errors_value_is_refused():
    with pytest.raises(ValueError, match="errors='ignore'"):
        check_errors("ignore")


@pytest.mark.parametrize("block_bytes", [1, 2, 7, 50, 1000])
def test_a_file_in_blocks_is_the_file_whole(block_bytes):
    rng = random.Random(0)
    parts = ["word", " ", "  ", "\n", "\r\n", "\r", "漢字", "\ufeff", "\u2028"]
    for _ in range(60):
        text = "".join(rng.choices(parts, k=rng.randint(0, 60)))
        data = text.encode()
        found = list(decode_file(io.BytesIO(data), "f", "strict", block_bytes))
        assert all(found)
        assert "".join(found) == decode_text(data, "f", "strict")
        for piece in found[1:]:
            assert piece[0] in " \n"
    lines = b"many words in a line\n" * 100
    assert len(list(decode_file(io.BytesIO(lines), "f", "strict", 50))) > 20


@pytest.mark.parametrize("block_bytes", [1, 4, 100])
def test_an_error_in_a_later_block_is_placed_in_the_file(block_bytes):
    data = b"one\r\ntwo\n\ncaf\xe9\nfour\n"
    with pytest.raises(ValueError, match="f, line 4, byte offset 13"):
        list(decode_file(io.BytesIO(data), "f", "strict", block_bytes))
    found = decode_file(io.BytesIO(data), "f", "replace", block_bytes)
    assert "".join(found) == "one\ntwo\n\ncaf\ufffd\nfour\n"
