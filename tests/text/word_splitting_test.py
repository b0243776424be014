"""The graph splits as the host's library does."""

import random

import tensorflow as tf
from tokenizers import pre_tokenizers

from gpt_keras.text.word_splitting import split_words

SPACE = [" ", "  ", "\n", "\t", "\r\n", "\x0b", "\x0c", "\x85", "\xa0"]
SPACE += ["\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"]
NO_SPACE = ["\x1c", "\x1f", "\0", "\x7f", "\u180e", "\u200b", "\ufeff"]
WORDS = ["'s", "'t", "'re", "'ve", "'ll", "'m", "'d", "'S", "’s", "''", "'ſ"]
WORDS += ["a", "Bc", "ß", "漢字", "한", "ع", "1", "23", "١", "Ⅷ", "½", "㉈", "_"]
WORDS += [
    "!",
    "e\u0301",
    "👩\u200d👧",
    "👍🏽",
    "\u0378",
    "\U000e0001",
    "\U0010ffff",
]


def _reference(text: str) -> list[str]:
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return [text[i:j] for _, (i, j) in split.pre_tokenize_str(text)]


def _split(texts: list[str]) -> list[list[str]]:
    rows = tf.function(split_words, autograph=False)(
        tf.constant(texts, tf.string)
    ).to_list()
    return [[word.decode() for word in row if word] for row in rows]


def test_known_splits():
    assert _split(["we'll  go \n\n on\u3000a1 ", "", "   x"]) == [
        ["we", "'ll", " ", " go", " \n\n", " on", "\u3000", "a", "1", " "],
        [],
        ["  ", " x"],
    ]


def test_random_mixtures_split_as_on_the_host():
    rng = random.Random(0)
    texts = [
        "".join(rng.choices(SPACE + NO_SPACE + WORDS, k=rng.randrange(20)))
        for _ in range(3000)
    ]
    assert _split(texts) == [_reference(text) for text in texts]


def test_every_character_is_what_the_host_takes_it_for():
    points = [*range(0xD800), *range(0xE000, 0x40000)]
    points += [*range(0xE0000, 0xE0200), *range(0x10FF00, 0x110000)]
    points += range(0x40000, 0x10FF00, 97)
    text = "".join(map(chr, points))
    chunks = [text[i : i + 4096] for i in range(0, len(text), 4096)]
    assert _split(chunks) == [_reference(chunk) for chunk in chunks]


def test_no_batch_and_no_text():
    assert _split([]) == []
    assert _split(["", ""]) == [[], []]
