"""Tests of the watermark and its detection, against statistics."""

import math

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.watermark import Watermark
from gpt_keras.generation.watermark import detect
from gpt_keras.generation.watermark import green_tokens

KEYS = [0, 1, 2**63, 2**64 - 1]


def greens(watermark, previous_ids, vocab_size):
    previous_ids = tf.constant(previous_ids, tf.int32)
    return tf.function(green_tokens, autograph=False)(
        watermark, previous_ids, vocab_size
    ).numpy()


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.999999999])
@pytest.mark.parametrize("key", KEYS)
def test_graph_and_detection_agree_on_every_token(key, share):
    watermark = Watermark(key, share=share)
    is_green = greens(watermark, range(30), 30)
    for previous in range(30):
        for token in range(30):
            found = detect(watermark, [previous, token])
            assert (found.counted, found.green) == (
                1,
                is_green[previous, token],
            )


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_every_row_and_column_has_its_share(share):
    is_green = greens(Watermark(99, share=share), range(500), 2000)
    deviation = math.sqrt(share * (1 - share))
    for axis, count in ((0, 500), (1, 2000)):
        z_scores = (is_green.mean(axis) - share) / deviation * count**0.5
        assert abs(z_scores).max() < 5
        assert 0.9 < z_scores.std() < 1.1


@pytest.mark.parametrize("other", [0, 1001, 1000 + 2**32, 2**64 - 1])
def test_keys_share_nothing_but_chance(other):
    first = greens(Watermark(1000), range(100), 1000)
    second = greens(Watermark(other), range(100), 1000)
    assert abs((first & second).mean() - 0.25**2) < 0.004


def test_neighbouring_rows_and_columns_share_nothing_but_chance():
    is_green = greens(Watermark(3), range(300), 1001)
    for both in (
        is_green[1:] & is_green[:-1],
        is_green[:, 1:] & is_green[:, :-1],
        is_green[1:, 1:] & is_green[:-1, :-1],
        is_green[1:, :-1] & is_green[:-1, 1:],
    ):
        assert abs(both.mean() - 0.25**2) < 0.003


def test_a_larger_share_holds_the_smaller_one():
    small = greens(Watermark(5, share=0.2), range(20), 100)
    large = greens(Watermark(5, share=0.6), range(20), 100)
    assert (small <= large).all() and small.sum() < large.sum()


def test_a_row_does_not_depend_on_its_neighbours():
    together = greens(Watermark(5), [7, 3, 7], 50)
    np.testing.assert_array_equal(together[0], together[2])
    np.testing.assert_array_equal(together[1], greens(Watermark(5), [3], 50)[0])
    assert greens(Watermark(5), [], 50).shape == (0, 50)


def test_the_same_when_compiled():
    compiled = tf.function(green_tokens, jit_compile=True, autograph=False)
    np.testing.assert_array_equal(
        compiled(Watermark(5), tf.range(20), 300),
        greens(Watermark(5), range(20), 300),
    )


def walk(watermark, length, marked, vocab_size=500, seed=0):
    """Random tokens, of two choices the green one where `marked`."""
    draws = np.random.default_rng(seed)
    is_green = greens(watermark, range(vocab_size), vocab_size)
    tokens = [0]
    for _ in range(length):
        choices = draws.integers(0, vocab_size, 2)
        wins = marked and is_green[tokens[-1], choices[1]]
        tokens.append(int(choices[int(wins)]))
    return tokens


def test_finds_the_mark_with_the_key_alone():
    watermark = Watermark(12345)
    marked = walk(watermark, 200, marked=True)
    found = detect(watermark, marked)
    assert found.z_score > 4 and found.p_value < 1e-4
    assert 190 <= found.counted <= 200
    assert found.green > 0.35 * found.counted
    other = detect(Watermark(12346), marked)
    assert abs(other.z_score) < 4 and other.p_value > 1e-4
    plain = detect(watermark, walk(watermark, 200, marked=False))
    assert abs(plain.z_score) < 4


def test_chance_gives_the_z_scores_of_chance():
    watermark = Watermark(77)
    texts = np.random.default_rng(0).integers(0, 500, (300, 121))
    found = [detect(watermark, text) for text in texts]
    z_scores = np.array([one.z_score for one in found])
    assert abs(z_scores.mean()) < 0.25 and 0.85 < z_scores.std() < 1.15
    # A p-value is below x in at most the share x of plain texts.
    p_values = np.array([one.p_value for one in found])
    for limit in (0.1, 0.3, 0.5):
        assert (p_values < limit).mean() < limit + 0.06


def test_a_pair_counts_once():
    watermark = Watermark(8)
    once = detect(watermark, [4, 9, 4])
    many = detect(watermark, [4, 9] * 100 + [4])
    assert once.counted == 2 and many == once


@pytest.mark.parametrize("token_ids", [[], [5], np.zeros(0, int), [7]])
def test_too_few_tokens_count_nothing(token_ids):
    found = detect(Watermark(8), token_ids)
    assert (found.z_score, found.green, found.counted, found.p_value) == (
        0.0,
        0,
        0,
        1.0,
    )


@pytest.mark.parametrize("share", [0.1, 0.25, 0.9])
def test_z_and_p_are_those_of_the_formulas(share):
    watermark = Watermark(21, share=share)
    tokens = walk(watermark, 60, marked=True)
    found = detect(watermark, tokens)
    pairs = set(zip(tokens[:-1], tokens[1:], strict=True))
    is_green = greens(watermark, range(500), 500)
    green = sum(bool(is_green[pair]) for pair in pairs)
    count = len(pairs)
    assert (found.counted, found.green) == (count, green)
    z_score = (green - share * count) / (count * share * (1 - share)) ** 0.5
    assert found.z_score == pytest.approx(z_score)
    tail = sum(
        math.comb(count, k) * share**k * (1 - share) ** (count - k)
        for k in range(green, count + 1)
    )
    assert found.p_value == pytest.approx(tail, rel=1e-9)


def test_a_long_text_has_a_p_value():
    tokens = np.random.default_rng(0).integers(0, 50_000, 200_000)
    assert 0.001 < detect(Watermark(4), tokens).p_value < 0.999
    assert detect(Watermark(4, share=1e-6), tokens).p_value > 0.0001


@pytest.mark.parametrize(
    "values",
    [
        {"key": -1},
        {"key": 2**64},
        {"key": "secret"},
        {"key": 1.0},
        {"key": True},
        {"strength": 0},
        {"strength": -1},
        {"strength": 101},
        {"strength": float("nan")},
        {"share": 0},
        {"share": 1},
        {"share": float("nan")},
    ],
)
def test_bad_values_are_named(values):
    (name,) = values
    with pytest.raises(ValueError, match=f"`{name}` must be") as error:
        Watermark(**{"key": 5, **values})
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "token_ids", [[[1, 2]], [1, -2], [0.5, 1.0], ["a", "b"], 5]
)
def test_bad_tokens_are_named(token_ids):
    with pytest.raises(ValueError, match="`token_ids` must be"):
        detect(Watermark(5), token_ids)


def test_the_key_is_not_printed():
    assert "31337" not in f"{Watermark(31337)!r} {Watermark(31337)}"
    with pytest.raises(ValueError) as error:
        Watermark(-31337)
    assert "31337" not in str(error.value)
