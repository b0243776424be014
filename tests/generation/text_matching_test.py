"""Tests of matching texts token by token, against `in` and `endswith`."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from matching_testing import BytesTokenizer
from matching_testing import Matcher
from matching_testing import joined
from matching_testing import padded
from matching_testing import random_bytes
from matching_testing import random_tokenizer

from gpt_keras.generation.text_matching import no_progress
from gpt_keras.generation.text_matching import parse_patterns

OVERLAPPING = [b"aa", b"aaa", b"aab", b"baa", b"ab\x00", b"\x00"]
CHARACTERS = ["猫".encode(), "猫a".encode(), b"\xff", b"\x8c\xe7", b"a"]
LONG = [b"aabaabaab", b"a" * 30, b"ba\xff\x00\xe7a"]
ROWS = [[], OVERLAPPING, CHARACTERS, LONG, [], [b"b"], [b"aab", b"b\xff"]]


@functools.cache
def matcher(seed):
    return Matcher(random_tokenizer(seed))


def distinct(rows):
    return [*dict.fromkeys(text for row in rows for text in row if text)]


def random_rows(seed, count=20):
    random = np.random.default_rng(seed)
    rows = [
        [random_bytes(random, 5) for _ in range(random.integers(0, 4))]
        for _ in range(count)
    ]
    return [*ROWS, *rows]


def ends_first(text, before, strings):
    """Where the string begins that ends first behind `before`, or None."""
    for end in range(len(before) + 1, len(text) + 1):
        found = [s for s in strings if text[:end].endswith(s)]
        if found:
            return end - max(map(len, found)) - len(before)
    return None


def completed(tokenizer, text, strings):
    """Of each token, whether a string ends in it behind the text."""
    return [
        any(
            (text + t).find(s, max(0, len(text) - len(s) + 1)) >= 0
            for s in strings
        )
        for t in tokenizer.tokens
    ]


def test_texts_are_taken_apart():
    rows = [
        [b"ab", b"c"],
        [],
        [b"", b"c", b"", b"\x00\xff"],
        ["猫".encode()],
        [b"c", b"c"],
    ]
    patterns = parse_patterns(tf.constant(joined(rows)))
    texts = distinct(rows)
    np.testing.assert_array_equal(patterns.bytes, padded(texts))
    assert patterns.lengths.numpy().tolist() == [*map(len, texts)]
    expected = [[text in row for text in texts] for row in rows]
    np.testing.assert_array_equal(patterns.is_member, expected)


@pytest.mark.parametrize("rows", [[], [[], []], [[b"", b""]]])
def test_there_may_be_no_texts(rows):
    texts = tf.constant(joined(rows), tf.string)
    for parse in (parse_patterns, matcher(0).parse):
        patterns = parse(texts)
        assert patterns.bytes.shape == (0, 0)
        assert patterns.lengths.shape == (0,)
        assert patterns.is_member.shape == (len(rows), 0)
        assert no_progress(patterns).shape == (len(rows), 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_matching_equals_python(seed):
    rows = random_rows(seed)
    texts = distinct(rows)
    random = np.random.default_rng(seed)
    size = matcher(seed).tokenizer.vocab_size
    found = 0
    for count in (1, 2, 5):
        ids = random.integers(0, size, (len(rows), count))
        after = matcher(seed).after(rows, ids)
        for row, strings in enumerate(rows):
            text = matcher(seed).spell(ids[row])
            before = matcher(seed).spell(ids[row, :-1])
            for p, pattern in enumerate(texts):
                progress = [
                    text.endswith(pattern[: k + 1]) and k < len(pattern)
                    for k in range(after.progress.shape[2])
                ]
                assert after.progress[row, p].tolist() == progress
            start = ends_first(text, before, strings)
            assert after.is_found[row] == (start is not None)
            assert after.start[row] == (start or 0)
            found += start is not None
            np.testing.assert_array_equal(
                after.is_banned[row],
                completed(matcher(seed).tokenizer, text, strings),
            )
    assert found > 9


@pytest.mark.parametrize("seed", range(3))
def test_the_context_counts_as_far_as_texts_reach_back(seed):
    rows = [row for row in random_rows(seed) if row is not LONG]
    random = np.random.default_rng(seed)
    size = matcher(seed).tokenizer.vocab_size
    # Special tokens stand between, which have no bytes.
    specials = [n for n in range(size) if not matcher(seed).spell([n])]
    contexts = [
        random.choice(
            [*range(size), *specials * 20], random.integers(0, 60)
        ).tolist()
        for _ in rows
    ]
    after = matcher(seed).after(rows, [[]] * len(rows), contexts)
    texts = distinct(rows)
    for row, context in enumerate(contexts):
        text = matcher(seed).spell(context)
        expected = [
            [
                text.endswith(pattern[: k + 1]) and k < len(pattern)
                for k in range(after.progress.shape[2])
            ]
            for pattern in texts
        ]
        np.testing.assert_array_equal(after.progress[row], expected)


def test_of_several_texts_the_first_to_end_then_the_longest():
    tokens = Matcher(BytesTokenizer(b"a", b"bcd", b"", b"abcabc"))
    rows = [
        ([b"abcd", b"bc"], [0, 1], 0),
        ([b"bc", b"abc"], [0, 1], -1),
        ([b"c", b"abc"], [0, 3], 0),
        ([b"ab", b"bcabc"], [2, 3], 0),
        ([b"d"], [0, 1], 2),
        ([b"aa"], [0, 0], -1),
    ]
    strings, ids, starts = zip(*rows, strict=True)
    after = tokens.after(strings, ids)
    assert after.is_found.all()
    assert after.start.tolist() == [*starts]


def test_a_text_is_found_once_and_not_in_tokens_without_bytes():
    tokens = Matcher(BytesTokenizer(b"a", b"b", b""))
    rows = [[b"ab"]] * 4
    ids = [[0, 1], [1, 2], [1, 0], [2, 2]]
    after = tokens.after(rows, ids, [[], [0], [0], [0]])
    assert after.is_found.tolist() == [True, False, False, False]
    assert after.start.tolist() == [-1, 0, 0, 0]


def test_texts_end_in_tokens_that_go_on():
    tokens = (b"a", b"ab", b"abc", b"bcd", b"cab", b"", b"b")
    banned = Matcher(BytesTokenizer(*tokens)).after(
        [[b"abc"], [b"ab"], [b"abcd"], [b"b"], [b"abcdabcd"]],
        [[5, 0]] * 5,
    )
    names = [
        [t for t, b in zip(tokens, row, strict=True) if b]
        for row in banned.is_banned
    ]
    assert names == [
        [b"abc", b"bcd"],
        [b"ab", b"abc", b"bcd", b"cab", b"b"],
        [b"bcd"],
        [b"ab", b"abc", b"bcd", b"cab", b"b"],
        [],
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_walk_that_takes_no_banned_token_never_writes_a_banned_text(seed):
    rows = [row for row in random_rows(seed) if row]
    random = np.random.default_rng(seed)
    tokenizer = matcher(seed).tokenizer
    contexts = random.integers(0, tokenizer.vocab_size, (len(rows), 5))
    ids = np.zeros((len(rows), 0), int)
    avoided = 0
    for _ in range(25):
        contexts_list = contexts.tolist()
        is_banned = matcher(seed).after(rows, ids, contexts_list).is_banned
        avoided += is_banned.sum()
        drawn = [random.choice(np.flatnonzero(~row)) for row in is_banned]
        ids = np.concatenate([ids, np.array(drawn)[:, None]], 1)
    for row, strings in enumerate(rows):
        context = matcher(seed).spell(contexts[row])
        text = context + matcher(seed).spell(ids[row])
        for string in strings:
            # One may stand in the context, none ends behind it.
            begin = max(0, len(context) - len(string) + 1)
            assert string not in text[begin:]
    assert avoided > 1000


def test_a_row_alone_is_the_row_in_the_batch():
    rows = random_rows(5)
    random = np.random.default_rng(5)
    ids = random.integers(0, matcher(0).tokenizer.vocab_size, (len(rows), 4))
    together = matcher(0).after(rows, ids)
    for row, strings in enumerate(rows):
        alone = matcher(0).after([strings], ids[[row]])
        for name in ("is_found", "start", "is_banned"):
            np.testing.assert_array_equal(
                getattr(alone, name)[0], getattr(together, name)[row]
            )


@pytest.mark.parametrize("rows", [[], [[]], [[], [b""]]])
def test_without_texts_nothing_is_found_or_banned(rows):
    size = matcher(0).tokenizer.vocab_size
    after = matcher(0).after(rows, np.ones((len(rows), 3)))
    assert after.progress.shape == (len(rows), 0, 0)
    assert after.is_found.tolist() == [False] * len(rows)
    assert after.start.tolist() == [0] * len(rows)
    assert after.is_banned.tolist() == [[False] * size] * len(rows)


def test_no_rows_after_others():
    assert matcher(0).after(ROWS, [[1, 2]] * len(ROWS)).is_banned.any()
    assert matcher(0).after([], np.ones((0, 2))).is_banned.shape == (0, 40)
