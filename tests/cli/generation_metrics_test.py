"""Tests of `gpt_keras.cli.generation_metrics`, without a model."""

import dataclasses
import json

import pytest

from gpt_keras.cli import generation_metrics
from gpt_keras.cli.generation_metrics import make_measure
from gpt_keras.config import TrainConfig
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.special_tokens import with_special_tokens

CONFIG = TrainConfig(
    pairs="synthetic:copy",
    validation_pairs=4,
    metrics_every=1,
    metrics_examples=3,
    max_length=40,
)
TOKENIZER = with_special_tokens(
    CharacterTokenizer("abcdefghij"), ["<|response|>"]
)


@pytest.fixture(name="config")
def _config(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"prompt": x, "response": x} for x in "abcdefghij"]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return dataclasses.replace(CONFIG, pairs=str(path))


@pytest.fixture(name="prompts")
def _prompts(monkeypatch):
    """What is asked of a model that gives the letter of the prompt."""
    seen = []

    def text_writer(model, tokenizer, settings):
        assert settings["temperature"] == 0

        def write(prompts):
            letters = [prompt["fields"]["prompt"] for prompt in prompts]
            seen.extend(letters)
            return letters

        return write

    monkeypatch.setattr(generation_metrics, "text_writer", text_writer)
    return seen


def test_prompts_are_held_out_ones_and_are_scored(config, prompts):
    measure = make_measure(config, TOKENIZER)
    found = measure(None, lambda: False)
    assert found.figures == {"accuracy": 100, "chrf": pytest.approx(100)}
    assert found.num_examples == len(prompts) == 3
    source = generation_metrics.pair_source(config)
    split = generation_metrics.split_pairs(
        source, generation_metrics.pair_split(config)
    )
    held_out = {x.response for x in split["validation"].examples()}
    assert {*prompts} < held_out and len({*prompts}) == 3
    assert found.table.count("\n| ") == 4 and "<table>" in found.page
    assert measure(None, lambda: True) is None


def test_what_can_not_be_scored_is_refused(config):
    assert (
        make_measure(dataclasses.replace(config, metrics_every=0), None) is None
    )
    no_pairs = dataclasses.replace(config, pairs="")
    with pytest.raises(ValueError, match="`metrics_every` needs prompts"):
        make_measure(no_pairs, TOKENIZER)
    none = dataclasses.replace(
        config, validation_pairs=0, validation_fraction=0.0
    )
    with pytest.raises(ValueError, match="needs pairs for validation"):
        make_measure(none, TOKENIZER)
    other = dataclasses.replace(config, keep_best_by="bleu")
    with pytest.raises(ValueError, match="accuracy, chrf. Received: .*'bleu'"):
        make_measure(other, TOKENIZER)
