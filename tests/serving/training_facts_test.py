"""Tests of what a model folder says of its training."""

import dataclasses
import json
import shutil

import pytest

from gpt_keras.cli.training_data import claim_data
from gpt_keras.cli.training_data import read_data
from gpt_keras.config import TrainConfig
from gpt_keras.data.preparation import prepare
from gpt_keras.data.sources import TextFiles
from gpt_keras.serving.training_facts import training_facts
from gpt_keras.training.model_folder import claim
from gpt_keras.training.run_log import RunLog

CONFIG = TrainConfig(
    text="/home/someone/corpus/*.txt",
    tokenizer="/home/someone/tokenizer",
    init_from="runs/older",
    batch_size=4,
    max_length=8,
)


@pytest.fixture
def folder(tmp_path):
    """A model folder as training leaves it, but for the weights."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("b.txt", "a.txt"):
        (corpus / name).write_text("one two three " * 40)
    prepare(
        TextFiles(str(corpus / "*.txt")),
        tmp_path / "run" / "tokens",
        tokenizer="character",
    )
    claim(tmp_path / "run", CONFIG, 50)
    log = RunLog(tmp_path / "run", 0)
    nan = float("nan")
    log.write(10, loss=3.0, tokens_per_second=100.0, seconds=1.0)
    log.write(10, val_loss=2.5)
    log.write(20, loss=2.0, tokens_per_second=600.0, seconds=2.0)
    log.write(20, val_loss=2.25)
    log.write(30, loss=1.0, tokens_per_second=200.0, seconds=3.0)
    log.write(30, val_loss=2.75)
    log.write(31, loss=nan)
    return tmp_path / "run"


def test_figures(folder):
    assert training_facts(folder)["figures"] == {
        "last_step": 31,
        "tokens": 31 * 4 * 8,
        "loss": 1.0,
        "val_loss": 2.75,
        "best_val_loss": 2.25,
        "best_val_loss_step": 20,
        "median_tokens_per_second": 200.0,
        "seconds": 3.0,
    }


def test_data(folder):
    data = training_facts(folder)["data"]
    manifest = json.loads((folder / "tokens" / "manifest.json").read_text())
    assert data["source"] == {
        "kind": "text_files",
        "errors": "strict",
        "files": ["a.txt", "b.txt"],
        "num_files": 2,
        "bytes": 2 * 40 * 14,
    }
    assert data["settings"] == manifest["settings"]
    assert data["sha256"] == manifest["sha256"]
    for name in ("train", "validation"):
        split = dict(manifest["splits"][name])
        assert split.pop("shards")
        assert data["splits"][name] == split
        assert split["tokens"] > 0


def test_many_files_are_counted_and_some_named(folder):
    path = folder / "tokens" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["source"]["files"] = {f"{i:04d}.txt": 2 for i in range(1000)}
    path.write_text(json.dumps(manifest))
    source = training_facts(folder)["data"]["source"]
    assert source["num_files"] == 1000 and source["bytes"] == 2000
    assert source["files"] == [f"{i:04d}.txt" for i in range(20)]


def test_the_configuration_has_no_paths(folder):
    configuration = training_facts(folder)["configuration"]
    expected = dataclasses.asdict(CONFIG)
    for name in ("text", "tokens", "pairs", "validation_files"):
        del expected[name]
    expected |= {"tokenizer": "tokenizer", "init_from": "older"}
    assert configuration == expected
    assert "someone" not in json.dumps(training_facts(folder))


@pytest.mark.parametrize(
    "file, missing",
    [
        ("config.json", {"configuration"}),
        ("metrics.jsonl", {"figures"}),
        ("tokens/manifest.json", {"data"}),
    ],
)
def test_what_is_not_there_is_left_out(folder, file, missing):
    whole = training_facts(folder)
    assert whole.keys() == {"configuration", "figures", "data"}
    (folder / file).unlink()
    facts = training_facts(str(folder))
    assert whole.keys() - facts.keys() == missing
    if missing == {"configuration"}:
        assert facts["figures"].pop("tokens") is None
        del whole["figures"]["tokens"]
    assert all(whole[name] == facts[name] for name in facts)


def test_no_folder_has_no_facts(tmp_path):
    assert training_facts(tmp_path / "none") == {}


def test_a_log_without_validation(folder):
    (folder / "metrics.jsonl").write_text('{"step": 5, "loss": null}\n')
    figures = training_facts(folder)["figures"]
    assert figures.pop("last_step") == 5
    assert figures.pop("tokens") == 5 * 4 * 8
    assert set(figures.values()) == {None}


@pytest.mark.parametrize("file", ["config.json", "tokens/manifest.json"])
@pytest.mark.parametrize("content", [b"{", b"\xff", b"[1]", b"null"])
def test_a_damaged_file_is_named(folder, file, content):
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match=file.split("/")[-1]):
        training_facts(folder)


def test_tokens_that_lie_elsewhere_are_told_without_their_path(folder):
    (folder.parent / "secret").mkdir()
    shutil.move(folder / "tokens", folder.parent / "secret" / "corpus")
    claim_data(
        read_data(TrainConfig(tokens=f"{folder.parent}/secret/corpus"), folder),
        folder,
    )
    facts = training_facts(folder)
    (source,) = facts["data"]["sources"]
    assert (source["name"], source["weight"]) == ("corpus", 1)
    assert source["source"]["files"] == ["a.txt", "b.txt"]
    assert "secret" not in json.dumps(facts)
