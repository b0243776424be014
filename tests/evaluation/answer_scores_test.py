"""Tests of `gpt_keras.evaluation.answer_scores`."""

import math

import pytest

from gpt_keras.evaluation.answer_scores import accuracy
from gpt_keras.evaluation.answer_scores import exact_match
from gpt_keras.evaluation.answer_scores import f1
from gpt_keras.evaluation.answer_scores import normalized


@pytest.mark.parametrize(
    ("answer", "language", "expected"),
    [
        ("The  Eiffel-Tower, an icon!", "en", "eiffeltower icon"),
        ("theatre A another", "en", "theatre another"),
        ("“Quoted”", "en", "“quoted”"),  # SQuAD knows ASCII's alone
        ("“Quoted”", "de", "quoted"),
        ("Das Haus der Familie", "de", "haus familie"),
        ("Los Ángeles, el mar", "es", "ángeles mar"),
        ("《红楼梦》，1791年 by Cheng", "zh", "红 楼 梦 1791 年 by cheng"),
        ("the", "en", ""),
        ("the end", "fr", "the end"),
    ],
)
def test_normalisation(answer, language, expected):
    assert normalized(answer, language) == expected


@pytest.mark.parametrize(
    ("prediction", "references", "em", "overlap"),
    [
        ("the Denver Broncos", ["Denver Broncos", "Broncos"], 1, 1),
        # 2 common of 3 and 4: 2 * (2/3) * (2/4) / (2/3 + 2/4)
        ("big red dog", ["small red dog house"], 0, 4 / 7),
        # words count as often as they stand: 1 of 3 and 1 of 1
        ("no no no", ["no"], 0, 1 / 2),
        ("cat", ["dog", "cat bird"], 0, 2 / 3),
        ("", [""], 1, 1),
        ("something", [""], 0, 0),
        ("", ["something"], 0, 0),
        ("a", ["the", "x"], 0, 0),  # a reference of articles alone is none
    ],
)
def test_rows_are_scored_as_squad_has_it(prediction, references, em, overlap):
    assert exact_match([prediction], [references]).value == 100 * em
    score = f1([prediction], [references]).value
    assert math.isclose(score, 100 * overlap)


def test_chinese_f1_is_of_characters():
    # 北京 in common: 2 of 3 and 2 of 4
    score = f1(["北京市"], [["中国北京"]], language="zh")
    assert math.isclose(score.value, 100 * 2 * 2 / 7)
    assert f1(["北京市"], [["中国北京"]]).value == 0
    assert exact_match(["《红楼梦》"], [["红楼梦"]], language="zh").value == 100
    assert "norm:mlqa|lang:zh|tok:character" in score.signature


def test_answerable_and_unanswerable_are_parts():
    score = f1(["a b", "", "x"], [["b"], [""], [""]])
    assert math.isclose(score.value, 200 / 3)
    assert score.parts == {"answerable": 100, "unanswerable": 50}
    assert f1(["b"], [["b"]]).parts == {}


def test_accuracy_normalises_nothing_but_the_ends():
    rows = [["B"], ["B"], ["B", "C"]]
    assert math.isclose(accuracy([" B\n", "b", "C"], rows).value, 200 / 3)


@pytest.mark.parametrize("metric", [exact_match, f1, accuracy])
def test_intervals_and_refusals(metric):
    score = metric(
        ["a", "b", "c", "x"], [["a"], ["b"], ["d"], ["e"]], num_samples=100
    )
    assert 0 <= score.interval[0] < score.value < score.interval[1] <= 100
    assert score.signature.endswith("bs:100|seed:12345")
    with pytest.raises(ValueError, match="one prediction or more"):
        metric([], [])
