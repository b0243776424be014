"""Runs on pairs: from files to a model that writes responses."""

import json

import numpy as np
import pytest
from conversion_testing import tiny_model
from conversion_testing import tiny_tokenizer
from conversion_testing import write

from gpt_keras.cli import program
from gpt_keras.cli import train
from gpt_keras.cli.model_source import load_weights
from gpt_keras.cli.training_data import prepare_data
from gpt_keras.cli.training_data import read_data
from gpt_keras.config import TrainConfig
from gpt_keras.model import GPTModel
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.model_folder import load_model
from gpt_keras.training.run_log import read_metrics

# Of `tiny_model`.
ARCHITECTURE = (
    "--d_model=16",
    "--num_heads=2",
    "--dff=32",
    "--num_layers=2",
    "--position=learned",
    "--activation=gelu",
    "--tie_embeddings",
    "--noscale_embeddings",
    "--noqk_norm",
    "--use_bias",
)
SMALL = (
    "--max_length=16",
    "--batching=best_fit",
    "--document_mask",
    "--batch_size=4",
    "--warmup_steps=0",
    "--steps=4",
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    lines = (
        {"prompt": f"{a} {b}", "response": f"{b} {a}"}
        for a in ("one", "two", "four")
        for b in ("two", "three", "four", "five")
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _train(*arguments):
    return train.main(program.parse(train.define_flags, *arguments))


@pytest.mark.parametrize("adapters", [(), ("--lora_rank=2",)])
def test_fine_tunes_a_model_without_the_special_tokens(
    pairs, tmp_path, capsys, adapters
):
    source = write(tmp_path / "source", "hugging_face")
    old = tiny_tokenizer()
    arguments = [
        f"--pairs={pairs}",
        f"--init_from={source}",
        f"--model_dir={tmp_path / 'run'}",
        *ARCHITECTURE,
        *SMALL,
        *adapters,
    ]
    assert _train(*arguments) == 0
    said = capsys.readouterr().out
    size = old.vocab_size
    assert (
        f"added to the vocabulary: <|response|>; ids {size} to {size}" in said
    )
    assert "unigram" not in said  # of prompts too, so nothing to compare with
    tokenizer = load_tokenizer(tmp_path / "run")
    assert tokenizer.special_tokens["<|response|>"] == size
    assert load_model(tmp_path / "run").vocab_size == size + 1
    assert _train(*arguments) == 0  # it is at its end already
    assert read_metrics(tmp_path / "run")[-1]["step"] == 4


def test_new_tokens_leave_the_old_ones_alone(tmp_path):
    """Old logits are as they were, and new embeddings differ as others do."""
    source = write(tmp_path / "source", "hugging_face")
    old = tiny_model()
    arguments = old.get_config() | {"vocab_multiple": 4}
    arguments["vocab_size"] = old.vocab_size + 3
    new = GPTModel.from_config(arguments)
    new.build((None, new.max_length))
    load_weights(source, new)
    ids = np.arange(8)[None] % old.vocab_size
    np.testing.assert_allclose(
        new(ids)[..., : old.vocab_size], old(ids), rtol=1e-4, atol=1e-5
    )
    rows = np.asarray(new.embedding.embeddings)
    known, added = rows[: old.vocab_size], rows[old.vocab_size :][:3]
    nearest = min(
        np.linalg.norm(added[a] - added[b]) for a, b in ((0, 1), (0, 2), (1, 2))
    )
    apart = [
        np.linalg.norm(known[a] - known[b]) for a in range(20) for b in range(a)
    ]
    assert nearest > 0.5 * np.median(apart)
    arguments["d_model"] = 32
    wide = GPTModel.from_config(arguments)
    wide.build((None, wide.max_length))
    with pytest.raises(ValueError, match="d_model: 16 there, 32 here"):
        load_weights(source, wide)


def _config(pairs, **settings):
    settings = {"batching": "best_fit", "tokenizer": "character", **settings}
    return TrainConfig(pairs=str(pairs), max_length=32, **settings)


def test_prepared_pairs_are_trained_on_as_others(pairs, tmp_path, capsys):
    config = _config(pairs, validation_pairs=3)
    prepare_data(config, tmp_path / "tokens")
    tokens = TrainConfig(
        tokens=str(tmp_path / "tokens"), batching="length_buckets"
    )
    data = read_data(tokens, tmp_path / "run")
    assert data.loss is not None
    assert data.splits["validation"].num_documents == 3
    own = read_data(config, tmp_path / "own")
    assert own.identity == data.identity
    everything = TrainConfig(tokens=str(tmp_path / "tokens"), loss_on="all")
    assert read_data(everything, tmp_path / "run").loss is None


def test_pairs_that_are_left_out_are_told(pairs, tmp_path):
    config = _config(pairs, validation_fraction=0.0)
    whole = read_data(config, tmp_path / "whole")
    assert len(whole.lines) == 1
    short = TrainConfig(
        pairs=str(pairs),
        batching="best_fit",
        tokenizer="character",
        validation_fraction=0.0,
        max_length=10,
    )
    lines = read_data(short, tmp_path / "short").lines
    # two special tokens and a response of at most 8 characters
    assert lines[1].startswith("train: 5 of 12 pairs left out, which are")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batching": "packed"}, "windows would cut them anywhere"),
        ({"template": "chat"}, "line 1 must have a column messages"),
        ({"template": "sing"}, "Received: 'sing'"),
        ({"template": "pair,pair"}, "each once. Received: pair, pair"),
        ({"hold_out_by": "answer"}, "held out by prompt, response or a field"),
        ({"pair_form": "xml"}, "one of jsonl, json, tsv, parallel"),
    ],
)
def test_wrong_settings_are_told(pairs, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        read_data(_config(pairs, **settings), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_template_needs_pairs(tmp_path):
    config = TrainConfig(template="answer", batching="best_fit")
    with pytest.raises(ValueError, match="`template` needs prompts with resp"):
        read_data(config, tmp_path)
    config = TrainConfig(loss_on="response")
    with pytest.raises(ValueError, match="be all where text has no marks"):
        read_data(config, tmp_path)
