"""Texts come in, whether each holds a word that is refused goes out, inside
the graph.
"""

from collections.abc import Sequence

import tensorflow as tf

MAX_WORD_BYTES = 1000
# A regular expression of more words may outgrow the memory that RE2 allows.
_CHUNK_BYTES = 20_000
# What makes a longer word of a word beside it. Other scripts write words
# without spaces.
_WORD = r"\p{Latin}\p{Greek}\p{Cyrillic}\p{M}\p{Nd}"


def find_refused(texts, words: Sequence[str]) -> tf.Tensor:
    """Says of each text whether it holds one of the words.

    Upper and lower case are the same. A word that starts or ends with a letter
    or digit of an alphabet (Latin, Greek, Cyrillic) is found where the longer
    word would not go on there: "cat" is in "a cat!", not in "cats". Any other,
    such as a Chinese one, is found anywhere. A space in a word stands for any
    white space.

    Args:
        texts: strings, `(batch,)`.
        words: Not empty, at most `MAX_WORD_BYTES` each; a thousand of them
            take no longer than one.

    Returns:
        Boolean tensor, `(batch,)`.

    Raises:
        ValueError: A word is blank or too long.

    Example:

    >>> find_refused(["A cat!", "Cats", "一只猫"], ["CAT", "猫"]).numpy()
    array([ True, False,  True])
    """
    for word in words:
        _check_word(word)
    lowered = _lower(texts)
    is_refused = tf.zeros_like(lowered, tf.bool)
    for pattern in _patterns(words) if words else ():
        is_refused |= tf.strings.regex_full_match(lowered, pattern)
    return is_refused


def _check_word(word):
    length = len(word.encode())
    if not word.split() or length > MAX_WORD_BYTES:
        raise ValueError(
            f"`refuse` must be words of 1 to {MAX_WORD_BYTES} bytes that are "
            f"not blank. Received: {word[:50]!r} of {length} bytes."
        )


def _lower(texts):
    """Lowers a text; behind a NUL, TensorFlow would leave it out."""
    texts = tf.strings.regex_replace(texts, r"\x00", "\x01")
    return tf.strings.lower(texts, encoding="utf-8")


def _patterns(words):
    """Yields patterns of texts that hold one of the words."""
    groups = {}
    with tf.init_scope():  # as the graph does: Python knows another Unicode
        words = _lower([" ".join(word.split()) for word in words])
        starts = tf.strings.regex_full_match(words, f"(?s)[{_WORD}].*")
        ends = tf.strings.regex_full_match(words, f"(?s).*[{_WORD}]")
        rows = zip(words.numpy(), starts.numpy(), ends.numpy(), strict=True)
    for word, has_start, has_end in rows:
        group = groups.setdefault((has_start, has_end), [])
        group.append(_escaped(word.decode()))
    for (has_start, has_end), group in groups.items():
        start = f"(?:.*[^{_WORD}])?" if has_start else ".*"
        end = f"(?:[^{_WORD}].*)?" if has_end else ".*"
        for chunk in _chunks(group):
            yield f"(?s){start}(?:{'|'.join(chunk)}){end}"


def _escaped(word):
    """Returns a pattern of the word: ASCII signs are escaped, spaces wide."""
    signs = [
        c if c.isalnum() or ord(c) > 127 else f"\\x{{{ord(c):x}}}" for c in word
    ]
    return "".join(signs).replace(r"\x{20}", r"\s+")


def _chunks(patterns):
    chunk, size = [], 0
    for pattern in sorted(patterns):
        if chunk and size + len(pattern) > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(pattern)
        size += len(pattern)
    if chunk:
        yield chunk
