"""Tests of what of a text is final."""

import codecs

import numpy as np
import tensorflow as tf

from gpt_keras.generation.text_pieces import unfinished_bytes

TEXTS = ["", "a", "é", "猫", "😀", "a猫😀é\0", "Häuschen"]


def test_a_text_waits_for_the_rest_of_its_last_character():
    """As Python's decoder does, for every beginning of every text."""
    begun = [
        text.encode()[:size]
        for text in TEXTS
        for size in range(len(text.encode()) + 1)
    ]
    held = unfinished_bytes(tf.constant(begun)).numpy()
    for text, size in zip(begun, held, strict=True):
        decoder = codecs.getincrementaldecoder("utf-8")()
        decoder.decode(text)
        assert size == len(decoder.getstate()[0]), text


def test_bytes_that_are_no_text_never_wait_for_long():
    random = np.random.default_rng(0)
    noise = [random.bytes(n % 9) for n in range(300)]
    noise += [b"\x80" * 5, b"\xff", b"\xc0", b"\xf5", b"a\xe4b"]
    held = unfinished_bytes(tf.constant(noise)).numpy()
    assert held.min() >= 0 and held.max() <= 3
    assert (held <= [len(text) for text in noise]).all()
    assert held[-5:].tolist() == [0] * 5


def test_pieces_are_read_as_the_whole():
    """TensorFlow replaces the same, wherever such a cut is made."""
    random = np.random.default_rng(1)
    alphabet = [b"\xe7", b"\x8c", b"\xab", b"\xf0", b"a", b"\xc3", b"\xff"]
    for _ in range(40):
        text = b"".join(random.choice(alphabet, 12))
        cut = int(random.integers(0, 13))
        cut -= int(unfinished_bytes(tf.constant([text[:cut]]))[0])
        parts = tf.strings.unicode_transcode(
            [text, text[:cut], text[cut:]], "UTF-8", "UTF-8"
        ).numpy()
        assert parts[1] + parts[2] == parts[0], (text, cut)
