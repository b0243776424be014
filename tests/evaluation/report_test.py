"""Tests of what is said about an evaluation."""

import json

import pytest

from gpt_keras.evaluation import report
from gpt_keras.evaluation.detokenizers import DETOKENIZERS
from gpt_keras.evaluation.evaluator import Evaluation
from gpt_keras.evaluation.suites import PUBLISHED_SIZES
from gpt_keras.evaluation.suites import SUITES
from gpt_keras.evaluation.task import Task

TASK = Task(
    {"stride": 8}, ["A sentence."], {"line_ends": 1234}, [], lambda scores: {}
)
EVALUATION = Evaluation(
    figures={
        "loss": 3.25,
        "word_perplexity": 1234.5,
        "other": None,
        "large": 2e9,
    },
    model={"parameters": 1000, "weights_sha256": "abc", "config": {}},
    tokenizer={"kind": "byte", "vocab_size": 256, "fingerprint": "def"},
    resumed_passages=2,
    seconds=1.5,
    tokens_per_second=2000.4,
)


def test_the_table_has_the_published_figures_beside_ours():
    lines = report.to_text("wikitext2", TASK, EVALUATION).splitlines()
    assert lines[0].split() == "wikitext2 this model".split() + [
        part for size in PUBLISHED_SIZES for part in ("GPT-2", size)
    ]
    assert lines[1].split() == ["loss", "3.2500"]
    assert lines[2].split() == (
        "word_perplexity 1,234.5000 29.4100 22.7600 19.9300 18.3400".split()
    )
    assert lines[3].split() == ["other"]
    assert lines[4].split() == ["large", "2.0000e+09"]
    assert lines[6] == "line ends 1,234"
    assert "read in 1.5 s, 2,000 tokens/s" in lines
    assert lines[-2:] == ["Protocol:", "- A sentence."]
    assert any(SUITES["wikitext2"].note in line for line in lines)


def test_without_published_figures_there_is_one_column():
    lines = report.to_text("text", TASK, EVALUATION).splitlines()
    assert lines[0].split() == ["text", "this", "model"]
    assert not any("published" in line for line in lines)


def test_json_has_all_that_there_is_to_say():
    facts = report.to_json("lambada", TASK, EVALUATION, {"kind": "files"})
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["figures"] == EVALUATION.figures
    assert facts["counts"] == {"line_ends": 1234}
    assert facts["settings"] == {"stride": 8}
    assert facts["protocol"] == ["A sentence."]
    assert facts["source"] == {"kind": "files"}
    assert facts["model"]["weights_sha256"] == "abc"
    assert facts["published"]["figures"]["accuracy"]["1542M"] == 0.6324
    nothing = report.to_json("text", TASK, EVALUATION, {})
    assert nothing["published"] is None


@pytest.mark.parametrize("name", list(SUITES))
def test_suites_fit_together(name):
    suite = SUITES[name]
    kinds = ("text", "last_word", "multiple_choice", "memorisation")
    assert suite.kind in kinds
    assert suite.detokenizer in DETOKENIZERS
    assert bool(suite.note) == bool(suite.published)
    for values in suite.published.values():
        assert len(values) == len(PUBLISHED_SIZES)
