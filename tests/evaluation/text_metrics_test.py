"""Tests of `gpt_keras.evaluation.text_metrics`."""

import os
import pathlib
import subprocess
import sys

import pytest

from gpt_keras.config_rules import METRICS
from gpt_keras.evaluation import text_metrics
from gpt_keras.evaluation.text_metrics import score_texts

ROOT = pathlib.Path(text_metrics.__file__).parents[2]
# Metrics of which the references themselves have less than all.
OF_TEXTS_ALONE = {"distinct1", "distinct2", "repetition4", "regular_verse"}


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["One two three four five.", "Six seven eight nine ten."]),
        ("de", ["Größe ist nicht alles, sagt er.", "Fünf Äpfel sind genug."]),
        ("zh", ["我爱北京天安门。", "今天下雨，GPT 不出门。"]),
    ],
)
def test_each_metric_gives_its_most_for_the_references(language, texts):
    rows = [[text] for text in texts]
    found = score_texts(METRICS, texts, rows, language=language, num_samples=5)
    assert list(found) == list(METRICS)
    for name, score in found.items():
        assert 0 <= score.value <= 100 + 1e-9
        if name not in OF_TEXTS_ALONE:
            assert score.value == pytest.approx(100)
        assert all(":" in x for x in score.signature.split("|")[1:])
    swapped = score_texts(METRICS, texts, rows[::-1], language=language)
    for name in set(METRICS) - OF_TEXTS_ALONE:
        assert swapped[name].value < 50


@pytest.mark.parametrize("names", [[], ["bleu", "bleu"], ["meteor"]])
def test_names_are_checked(names):
    with pytest.raises(
        ValueError, match="Metrics must be of bleu, .* Received"
    ):
        score_texts(names, ["a"], [["a"]])


def test_nothing_here_imports_tensorflow():
    program = (
        "import sys; from gpt_keras.evaluation import generation_report, "
        "examples_page, text_metrics; print({'tensorflow', 'keras'} & "
        "{*sys.modules})"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"GPT_KERAS_CLIENT_ONLY": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert result.stdout == "set()\n"
