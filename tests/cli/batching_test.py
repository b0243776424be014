"""Tests of `gpt_keras.cli.batching`, and of runs of whole documents."""

import dataclasses

import numpy as np
import pytest

from gpt_keras import GPTModel
from gpt_keras.cli import program
from gpt_keras.cli import train
from gpt_keras.cli.batching import make_batches
from gpt_keras.config import TrainConfig
from gpt_keras.data.mixing import Mixture
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.training.model_folder import load_model
from gpt_keras.training.run_log import read_metrics

END = 0
CONFIG = TrainConfig(max_length=8, batch_size=2, num_buckets=2, seed=3)


def _split(sizes):
    ids = np.concatenate([[*range(1, size + 1), END] for size in sizes])
    return TokenSplit.from_array(ids, vocab_size=30, end_of_text_id=END)


SPLITS = {
    "train": _split([3, 9, 2, 2, 20, 5, 1, 7]),
    "validation": _split([4, 2, 10]),
}


def _labels(dataset):
    return np.concatenate([y[w > 0] for _, y, w in dataset.as_numpy_iterator()])


@pytest.mark.parametrize("batching", ["packed", "length_buckets", "best_fit"])
def test_batches_are_as_the_configuration_says(batching):
    config = dataclasses.replace(CONFIG, batching=batching)
    batches = make_batches(config, SPLITS)
    told = any("batches an epoch of" in line for line in batches.lines)
    assert told == (batching != "packed")
    steps = list(batches.training(3, 4))
    assert len(steps) == 4
    np.testing.assert_array_equal(
        steps[1][0], list(batches.training(4, 1))[0][0]
    )
    whole = SPLITS["validation"].read([0], 19)[0]
    labels = _labels(batches.validation)
    # A window has no token before its first one; a document has.
    expected = whole[1:] if batching == "packed" else whole
    assert sorted(labels) == sorted(expected)
    few = dataclasses.replace(config, validation_batches=1)
    assert len(list(make_batches(few, SPLITS).validation)) == 1
    without = make_batches(config, {"train": SPLITS["train"]})
    assert without.validation is None
    assert 0 < without.tokens_per_batch <= 16


def test_with_a_document_mask_it_is_the_same_loss_how_rows_are_filled():
    """Windows that begin at borders, or a document in a row: as if alone."""
    model = GPTModel(
        30,
        16,
        2,
        32,
        8,
        num_layers=1,
        position="learned",
        initializer_stddev=0.3,
        document_separator_id=END,
    )
    model.compile("sgd")
    losses = []
    for batching in ("length_buckets", "best_fit"):
        config = dataclasses.replace(CONFIG, batching=batching)
        splits = {"train": SPLITS["train"], "validation": SPLITS["train"]}
        batches = make_batches(config, splits).validation
        losses.append(model.evaluate(batches, verbose=0))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_run_of_documents_goes_on_where_it_was(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(40):
        words = rng.choice(["one", "two", "three", "四"], rng.integers(1, 12))
        (tmp_path / f"{index}.txt").write_text(" ".join(words), "utf-8")

    def run(name, steps):
        arguments = [
            f"--text={tmp_path}/*.txt",
            f"--model_dir={tmp_path}/{name}",
            f"--steps={steps}",
            *"""--d_model=16 --num_heads=2 --dff=32 --num_layers=1
            --max_length=32 --batch_size=2 --tokenizer=character --rate=0.1
            --sample_every=0 --warmup_steps=2 --schedule=constant --log_every=1
            --split_by=document --batching=length_buckets --num_buckets=3
            --document_mask --microbatches=2 --peak_teraflops=1""".split(),
        ]
        assert train.main(program.parse(train.define_flags, *arguments)) == 0
        return [x.get("loss") for x in read_metrics(tmp_path / name)]

    whole = run("whole", 9)
    run("parts", 4)
    parts = run("parts", 9)
    assert [x for x in parts if x] == [x for x in whole if x]
    models = [load_model(tmp_path / name) for name in ("whole", "parts")]
    assert models[0].document_separator_id is not None
    for one, other in zip(*(m.weights for m in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_windows_of_several_sources_are_mixed():
    config = TrainConfig(batching="best_fit", tokens="a=1,b=2")
    mixture = Mixture((10, 10), (1, 2))
    with pytest.raises(ValueError, match="'packed'` only.*best_fit"):
        make_batches(config, {}, mixture)
