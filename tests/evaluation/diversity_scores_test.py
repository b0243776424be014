"""Tests of `gpt_keras.evaluation.diversity_scores`."""

import math

import pytest

from gpt_keras.evaluation.diversity_scores import distinct
from gpt_keras.evaluation.diversity_scores import repetition


def test_distinct_is_different_ngrams_per_word_of_all_texts():
    texts = ["a b a b", "a b c"]  # 7 words
    assert math.isclose(distinct(texts, size=1).value, 100 * 3 / 7)
    assert math.isclose(distinct(texts, size=2).value, 100 * 3 / 7)  # ab ba bc
    assert distinct([""], size=1).value == 0


def test_repetition_is_the_mean_share_that_came_before():
    # Of a b a b a b four different pairs would be 5: ab ba ab ba ab.
    texts = ["a b a b a b", "a b c", "x"]
    score = repetition(texts, size=2, num_samples=50)
    assert math.isclose(score.value, 100 * (3 / 5 + 0 + 0) / 3)
    assert score.interval[0] < score.value < score.interval[1]
    assert repetition(["a b c d e f"], size=4).value == 0


def test_chinese_counts_characters():
    assert math.isclose(
        distinct(["我我你"], size=1, language="zh").value, 200 / 3
    )
    assert distinct(["我我你"], size=1).value == 100
    score = repetition(["哈哈哈"], size=1, language="zh")
    assert math.isclose(score.value, 200 / 3)


@pytest.mark.parametrize("metric", [distinct, repetition])
def test_bad_input_is_named(metric):
    with pytest.raises(ValueError, match="one prediction or more"):
        metric([], size=1)
    with pytest.raises(ValueError, match="positive. Received: size=0"):
        metric(["a"], size=0)
