"""What is not text is refused on the host and replaced in the graph."""

import random

import pytest
import tensorflow as tf

from gpt_keras.text.unicode_text import check_text
from gpt_keras.text.unicode_text import check_texts
from gpt_keras.text.unicode_text import to_utf8


def test_check_text_passes_all_that_utf8_expresses():
    text = "a\0\ufeff\uffff\U0010ffff"
    assert check_text(text) is text
    assert check_texts((text, "")) == [text, ""]


def test_check_text_names_the_lone_surrogate():
    with pytest.raises(ValueError, match=r"U\+D83D at character 2"):
        check_text("ab\ud83d")


@pytest.mark.parametrize("value", [b"bytes", 5, None])
def test_check_text_refuses_what_is_no_string(value):
    with pytest.raises(ValueError, match=type(value).__name__):
        check_text(value)


def test_check_texts_refuses_one_text():
    with pytest.raises(ValueError, match="not one"):
        check_texts("abc")


def test_to_utf8_replaces_as_python_does():
    rng = random.Random(0)
    parts = [b"\x80", b"\xc0\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"]
    parts += [b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80", b"\xff"]
    parts += [b"a", b"\0", "漢".encode(), "\ufeff".encode()]
    texts = [b"".join(rng.choices(parts, k=5)) for _ in range(1000)]
    texts += [rng.randbytes(9) for _ in range(1000)]
    expected = [x.decode("utf-8", "replace").encode() for x in texts]
    assert to_utf8(texts).numpy().tolist() == expected


def test_to_utf8_keeps_every_character():
    points = [*range(0xD800), *range(0xE000, 0x110000)]
    text = "".join(map(chr, points)).encode()
    assert to_utf8([text]).numpy()[0] == text


def test_to_utf8_wants_a_batch():
    assert to_utf8([]).shape == (0,)
    with pytest.raises(ValueError, match=r"\(batch,\)"):
        to_utf8(tf.constant("one"))
