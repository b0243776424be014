"""Tests of the words that are refused."""

import random
import time
import unicodedata

import pytest
import tensorflow as tf

from gpt_keras.generation.refusal import MAX_WORD_BYTES
from gpt_keras.generation.refusal import find_refused


def _find(texts, words):
    return find_refused(texts, words).numpy().tolist()


@pytest.mark.parametrize(
    ("word", "found", "passed"),
    [
        ("cat", ["cat", "A CAT!", "a\ncat\n", "猫cat猫", "_cat_"], ["cats"]),
        ("cat", ["x-cat's"], ["scat", "cat2", "2cat", "caté", "cat\u0301"]),
        ("CAT", ["cat", "Cat"], ["c at", ""]),
        ("c++", ["I know C++.", "c++11"], ["c+", "objective-cc++"]),
        (".net", ["the .NET", "asp.net"], [".nets", "net"]),
        ("猫", ["一只猫", "猫cat", "x猫y"], ["一只狗"]),
        ("坏cat", ["一个坏CAT。"], ["坏cats"]),
        ("привет", ["ПРИВЕТ, мир"], ["приветы"]),
        ("öl", ["ÖL!", "(öl)"], ["röl", "ölig"]),
        ("two words", ["Two  words", "two\nwords"], ["twowords"]),
        ("two\twords ", ["two words"], ["two, words"]),
        (r"a\b|c(d)[e]", [r"A\B|C(D)[E]"], ["a", "b", "cd"]),
        ("a\x00b", ["a\x00b"], ["ab", "a"]),
        ("cat", ["\x00cat\x00", "a\x00\x00b cat"], ["\x00cats"]),
    ],
)
def test_words_are_found_as_words(word, found, passed):
    assert _find(found, [word]) == [True] * len(found)
    assert _find(passed, [word]) == [False] * len(passed)


def _oracle(text, words):
    """Looks at every place; for texts and words of lower case."""

    def borders(outside, inside):
        return not all(
            c and c.isascii() and c.isalnum() for c in (outside, inside)
        )

    for word in words:
        for i in range(len(text) - len(word) + 1):
            end = i + len(word)
            if (
                text[i:end] == word
                and borders(text[i - 1 : i] if i else "", word[0])
                and borders(text[end : end + 1], word[-1])
            ):
                return True
    return False


def test_equals_a_search_at_every_place():
    drawn = random.Random(0)
    texts = ["".join(drawn.choices("ab1.猫狗-", k=9)) for _ in range(3000)]
    for _ in range(5):
        words = [
            "".join(drawn.choices("ab1.猫-", k=drawn.randint(1, 3)))
            for _ in range(4)
        ]
        wanted = [_oracle(text, words) for text in texts]
        assert _find(texts, words) == wanted, words
        assert 0 < sum(wanted) < len(texts)


def _many_words(count):
    drawn = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(drawn.choices(letters, k=9)) for _ in range(count)]


@pytest.mark.parametrize(
    "suffix", ["", "猫", " " + "ä" * 90], ids=["plain", "anywhere", "long"]
)
def test_each_of_many_words_is_found(suffix):
    words = [word + suffix for word in _many_words(1000)]
    graph = tf.function(lambda x: find_refused(x, words), autograph=False)
    assert graph(words).numpy().all()
    assert not graph([word[:-1] for word in words]).numpy().any()


def test_many_words_in_a_long_text_take_seconds_at_most():
    graph = tf.function(
        lambda x: find_refused(x, _many_words(1000)), autograph=False
    )
    text = ("lorem ipsum dolor " * 60_000).encode()
    graph([text[:100]])
    start = time.monotonic()
    assert graph([text, text + b"end"]).numpy().tolist() == [False, False]
    assert time.monotonic() - start < 20


def test_case_is_folded_like_unicode_says():
    letters = [chr(c) for c in range(0xC0, 0x530)]
    pairs = [c for c in letters if len(c.lower()) == 1 and c.lower() != c]
    pairs = [c for c in pairs if unicodedata.category(c) == "Lu"]
    assert len(pairs) > 300
    for upper in pairs[::20]:
        assert _find([f"x {upper}y"], [f"{upper.lower()}y"]) == [True]
        assert _find([f"x {upper.lower()}y"], [f"{upper}y"]) == [True]


def test_any_bytes_pass():
    texts = [b"\xff\xfe", b"\xff cat \xff", b"\xffcat", b"\x00cat\x00", b""]
    assert _find(texts, ["cat"]) == [False, True, True, True, False]


def test_no_words_and_no_rows():
    assert _find(["cat"], ()) == [False]
    assert find_refused(tf.zeros([0], tf.string), ["cat"]).shape == (0,)


@pytest.mark.parametrize(
    "word", ["", " \t", "a" * (MAX_WORD_BYTES + 1), "猫" * MAX_WORD_BYTES]
)
def test_words_that_do_not_pass(word):
    with pytest.raises(ValueError, match="`refuse` must be words of 1 to"):
        find_refused(["x"], ["good", word])


def test_a_word_of_the_greatest_length():
    word = "a" * MAX_WORD_BYTES
    assert _find([word, word + "a"], [word] * 30) == [True, False]
