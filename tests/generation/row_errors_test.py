"""Tests of errors by row."""

import tensorflow as tf

from gpt_keras.generation.row_errors import no_errors
from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.row_errors import with_length_error


def test_only_rows_that_break_the_rule_name_it():
    values = tf.constant([1, -2, -3])
    errors = no_errors(values)
    assert errors.numpy().tolist() == [b"", b"", b""]
    errors = with_error(errors, values >= 0, "`x` must be positive", values)
    assert errors.numpy().tolist() == [
        b"",
        b"`x` must be positive. Received: -2",
        b"`x` must be positive. Received: -3",
    ]
    names = tf.constant(["a", "b", "c"])
    errors = with_error(errors, names != "c", "`name` must not be c", names)
    assert errors.numpy()[1:].tolist() == [
        b"`x` must be positive. Received: -2",
        b"`name` must not be c. Received: c",
    ]


def test_what_came_is_shown_short_and_as_text():
    values = tf.constant([b"\xff" + b"a" * 1000, b"b\x1fc"])
    errors = with_error(no_errors(values), [False, False], "rule", values)
    first, second = (error.decode() for error in errors.numpy())
    assert first == "rule. Received: \ufffd" + "a" * 79
    assert second == "rule. Received: b | c"


def test_length_counts_bytes():
    texts = tf.constant(["猫", "ab", "abc", "abcd"])
    errors = with_length_error(no_errors(texts), "texts", texts, 3)
    assert errors.numpy().tolist() == [
        b"",
        b"",
        b"",
        b"`texts` must be at most 3 bytes long. Received: 4 bytes",
    ]
    errors = with_length_error(no_errors(texts), "texts", texts, None)
    assert errors.numpy().tolist() == [b""] * 4
