"""Tests of `gpt_keras.evaluation.translation_scores`: parity with sacreBLEU."""

import math
import random

import pytest
import sacrebleu

from gpt_keras.evaluation.translation_scores import bleu
from gpt_keras.evaluation.translation_scores import chrf

WORDS = "A dog runs, in the park. Today! It rains (often) and 1,000".split()
HAN = list("我你他爱北京上海大小。，") + ["GPT", "12"]


def _texts(words, joint, count=30, seed=0):
    rng = random.Random(seed)
    return [
        joint.join(rng.choices(words, k=rng.randint(4, 12)))
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("language", "tokenizer", "words", "joint"),
    [
        ("en", "13a", WORDS, " "),
        ("de", "13a", WORDS, " "),
        ("zh", "zh", HAN, ""),
    ],
)
def test_figures_are_those_of_the_library(language, tokenizer, words, joint):
    texts, first, second = (_texts(words, joint, seed=n) for n in range(3))
    rows = list(zip(first, second, strict=True))
    ours = bleu(texts, rows, language=language)
    theirs = sacrebleu.corpus_bleu(texts, [first, second], tokenize=tokenizer)
    assert ours.value == theirs.score > 1
    assert ours.parts["precision2"] == theirs.precisions[1]
    assert ours.signature.startswith(
        f"nrefs:2|case:mixed|eff:no|tok:{tokenizer}|smooth:exp|version:"
    )
    theirs = sacrebleu.corpus_chrf(texts, [first, second])
    ours = chrf(texts, rows, language=language)
    assert math.isclose(ours.value, theirs.score, rel_tol=1e-9)
    assert "nc:6|nw:0" in ours.signature


def test_bleu_is_that_of_the_papers_formula():
    # 5 words against 6: precisions 4/5, 2/4, 1/3 and, none of 2, 1/2 of that
    # by the smoothing; brevity penalty exp(1 - 6/5).
    score = bleu(["a b c x e"], [["a b c d e f"]])
    precisions = 4 / 5, 2 / 4, 1 / 3, 1 / 2 / 2
    expected = 100 * math.exp(-0.2) * math.prod(precisions) ** 0.25
    assert math.isclose(score.value, expected, rel_tol=1e-9)


def test_case_counts_and_references_may_be_unequal_in_number():
    assert bleu(["A dog runs far."], [["a DOG Runs FAR."]]).value < 50
    texts = ["one two three four", "five six seven eight"]
    score = bleu(texts, [["one two three four", "x"], ["five six seven eight"]])
    assert math.isclose(score.value, 100)
    assert score.signature.startswith("nrefs:var|")


@pytest.mark.parametrize("metric", [bleu, chrf])
def test_the_interval_is_of_resampled_corpora(metric):
    texts, rows = _texts(WORDS, " "), [[x] for x in _texts(WORDS, " ", seed=1)]
    score = metric(texts, rows, num_samples=200)
    low, high = score.interval
    assert low < score.value < high < low + 30
    assert score.signature.endswith("|bs:200|seed:12345")
    assert metric(texts, rows, num_samples=200) == score
    alone = metric(texts, rows)
    assert alone.interval is None and alone.value == score.value
    # All rows alike: every resampled corpus has the figure of the whole.
    alike = metric(texts[:1] * 5, rows[:1] * 5, num_samples=20)
    assert alike.interval == pytest.approx([alike.value] * 2, rel=1e-5)


def test_rows_without_a_match_have_an_interval():
    score = chrf(["abc", "x"], [["abc"], ["y"]], num_samples=50)
    assert score.interval[0] == 0 and score.interval[1] > 99


def test_unequal_counts_are_refused():
    with pytest.raises(ValueError, match="Received: 1 and 2"):
        bleu(["a"], [["a"], ["b"]])
