"""Texts come in, the words that byte pairs are merged within go out, inside
the graph.
"""

import functools

import numpy as np
import tensorflow as tf
from tokenizers import pre_tokenizers

_CUT = b"\xff"  # cannot occur in UTF-8
_WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
# The planes above are unassigned, tags or private: no letters, no numbers.
_LAST_LETTER = 0x3FFFF


def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Splits as GPT-2 does: contractions, letters, numbers, the rest, spaces.

    The words of a row, joined, are the row.

    Args:
        texts: strings of valid UTF-8, `(batch,)`.

    Returns:
        Ragged strings, `(batch, None)`; some are empty.

    Reference:
        Radford et al. 2019, §2.2; the pattern of GPT-2's published encoder.
    """
    before_last_space, word = _patterns()
    texts = tf.strings.regex_replace(texts, before_last_space, _CUT + rb"\0")
    texts = tf.strings.regex_replace(texts, word, rb"\0" + _CUT)
    return tf.strings.split(texts, _CUT)


@functools.cache
def _patterns() -> tuple[str, str]:
    """GPT-2's pattern in the two steps that RE2, without lookahead, can do.

    A run of white space leaves its last character to the word that follows:
    the first pattern finds where to cut, the second the words between cuts.
    """
    letter, number = _letter_and_number_classes()
    space = _character_class((ord(c), ord(c)) for c in _WHITE_SPACE)
    word = (
        "'(?:[stmd]|re|ve|ll)"
        f"| ?[{letter}]+| ?[{number}]+| ?[^{space}{letter}{number}]+|[{space}]+"
    )
    return f"[{space}][^{space}]", word


def _letter_and_number_classes() -> tuple[str, str]:
    """Spells out what the host's tokenizer takes for letters and numbers.

    RE2 has another version of Unicode than the host's library, and the RE2 of
    a server may have a third: thousands of letters are in one and not in
    another. Spelled out, they are the same everywhere.
    """
    split = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=True
    ).pre_tokenize_str
    points = np.r_[0:0xD800, 0xE000 : _LAST_LETTER + 1]  # without surrogates
    every_character = "".join(map(chr, points)).translate(
        dict.fromkeys(map(ord, _WHITE_SPACE), "\n")
    )
    letters, numbers = [], []
    for _, (start, end) in split(every_character):
        first = every_character[start]
        if len(split("a" + first)) == 1:
            letters.append((points[start], points[end - 1]))
        elif len(split("1" + first)) == 1:
            numbers.append((points[start], points[end - 1]))
    return _character_class(letters), _character_class(numbers)


def _character_class(ranges) -> str:
    return "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges)
