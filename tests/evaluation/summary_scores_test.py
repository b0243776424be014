"""Tests of `gpt_keras.evaluation.summary_scores`: parity with rouge-score."""

import math

import nltk
import pytest
from rouge_score.rouge_scorer import RougeScorer

from gpt_keras.evaluation.summary_scores import KINDS
from gpt_keras.evaluation.summary_scores import rouge

TEXTS = [
    "Police killed the gunman.\nTwo officers were running away.",
    "The rains didn't stop, it kept raining.",
    "",
]
ROWS = [
    ("The gunman was killed by police.\nOfficers ran.", "Police kill gunman"),
    ("Rain kept on; it rains.", "It rained the whole day"),
    ("Nothing at all",),
]


@pytest.mark.parametrize("stemmer", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_those_of_the_library(kind, stemmer):
    scorer = RougeScorer([kind], use_stemmer=stemmer)
    rows = []
    for text, references in zip(TEXTS, ROWS, strict=True):
        scores = [scorer.score(x, text)[kind] for x in references]
        rows.append(max(scores, key=lambda score: score.fmeasure))
    ours = rouge(TEXTS, ROWS, kind=kind, stemmer=stemmer)
    for value, name in (
        (ours.value, "fmeasure"),
        (ours.parts["precision"], "precision"),
        (ours.parts["recall"], "recall"),
    ):
        expected = 100 * sum(getattr(row, name) for row in rows) / len(rows)
        assert math.isclose(value, expected, rel_tol=1e-12)
    assert ours.signature.startswith(
        f"{kind}|tok:rouge|stem:{'porter' if stemmer else 'no'}|"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("rouge1", 3 / 4), ("rouge2", 1 / 3), ("rougeL", 3 / 4)],
)
def test_figures_are_those_of_lins_example(kind, expected):
    # Lin 2004, §3: of "police kill the gunman", S1.
    score = rouge(
        ["police kill the gunman"], [["police killed the gunman"]], kind=kind
    )
    assert math.isclose(score.value, 100 * expected)


def test_chinese_is_compared_by_character():
    # 北京 is common: 2 of 4 characters of the text, 2 of 3 of the reference.
    score = rouge(["我爱北京。"], [["北京大"]], kind="rouge1", language="zh")
    assert math.isclose(score.parts["precision"], 100 * 2 / 4)
    assert math.isclose(score.parts["recall"], 100 * 2 / 3)
    score = rouge(["京北"], [["北京"]], kind="rougeL", language="zh")
    assert math.isclose(score.value, 50)
    assert "tok:character" in score.signature


def test_words_of_other_languages_keep_their_letters():
    score = rouge(
        ["Größe zählt"], [["große ZÄHLT"]], kind="rouge1", language="de"
    )
    assert math.isclose(score.value, 50)


def test_no_data_of_nltk_are_looked_for(monkeypatch):
    def find(*arguments, **options):
        raise LookupError("data of nltk")

    monkeypatch.setattr(nltk.data, "find", find)
    for kind in KINDS:
        rouge(TEXTS, ROWS, kind=kind, stemmer=True)


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="`stemmer` is for English.*'zh'"):
        rouge(["我"], [["我"]], kind="rouge1", language="zh", stemmer=True)
    with pytest.raises(
        ValueError, match="one of rouge1, .* Received: 'rouge9'"
    ):
        rouge(["a"], [["a"]], kind="rouge9")


def test_the_interval_is_of_the_rows():
    score = rouge(TEXTS, ROWS, kind="rouge1", num_samples=100)
    assert score.interval[0] < score.value < score.interval[1]
    assert score.signature.endswith("|bs:100|seed:12345")
