"""Rules and what came in, one error or none for each row out.

A server merges strangers' rows into one batch, so that a graph must not raise
for one of them.
"""

import tensorflow as tf


def no_errors(rows) -> tf.Tensor:
    """Returns an empty string for each of the rows, `(batch,)`."""
    return tf.fill(tf.shape(rows)[:1], "")


def with_error(errors, is_valid, rule: str, received) -> tf.Tensor:
    """Names a rule in the rows that break it.

    Args:
        errors: `(batch,)` strings so far; they give way to this rule's.
        is_valid: `(batch,)` boolean. Not the opposite: TensorFlow turns a
            negated comparison around, and NaN would pass.
        rule: Such as "`temperature` must be positive".
        received: `(batch,)` what came, numbers or strings.

    Returns:
        `(batch,)` strings.
    """
    error = f"{rule}. Received: " + _shown(received)
    return tf.where(is_valid, errors, error)


def with_length_error(errors, name: str, texts, limit: int | None) -> tf.Tensor:
    """Names the rule in the rows whose text has more than `limit` bytes."""
    if limit is None:
        return errors
    sizes = tf.strings.length(texts)
    rule = f"`{name}` must be at most {limit} bytes long"
    received = tf.strings.as_string(sizes) + " bytes"
    return with_error(errors, sizes <= limit, rule, received)


_SHOWN_BYTES = 80


def _shown(value):
    if value.dtype != tf.string:
        return tf.strings.as_string(value)
    shown = tf.strings.substr(value, 0, _SHOWN_BYTES)
    # The character between several texts in one string can't be seen.
    shown = tf.strings.regex_replace(shown, "\x1f", " | ")
    return tf.strings.unicode_transcode(shown, "UTF-8", "UTF-8")
