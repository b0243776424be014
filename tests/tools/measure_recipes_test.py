"""Tests of `tools.measure_recipes`, at a size that learns nothing."""

import json
import math
import pathlib

import keras
import numpy as np
import pytest

from gpt_keras.cli import program
from gpt_keras.config import TrainConfig
from tools import measure_recipes
from tools.recipes import report
from tools.recipes import switches
from tools.recipes import training
from tools.recipes.corpora import read_corpus
from tools.recipes.models import model_class

VOCABULARY, LENGTH, CAP = 50, 8, 15.0
TEXT = "the quick brown fox jumps over the lazy dog, and on it goes.\n" * 80


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def _values(text, *arguments):
    return program.parse(
        measure_recipes.define_flags,
        f"--text={text}",
        f"--json={text.parent / 'runs.json'}",
        "--d_model=16",
        "--num_layers=2",
        "--steps=6",
        "--every=4",
        "--validation_tokens=128",
        "--seeds=1",
        *arguments,
    )


def test_a_run_is_written_and_not_done_again(text, monkeypatch, capsys):
    values = _values(
        text, "--variants=baseline,all", f"--markdown={text.parent / 't.md'}"
    )
    measure_recipes.main(values)
    content = json.loads(pathlib.Path(values.json).read_text())
    assert content["setup"]["steps"] == 6
    assert [x["variant"] for x in content["runs"]] == ["baseline", "all"]
    for run in content["runs"]:
        steps, seconds, losses = zip(*run["curve"], strict=True)
        assert steps == (4, 6)
        assert 0 < seconds[0] < seconds[1]
        assert seconds[1] * 1000 == pytest.approx(run["ms_per_step"] * 6)
        assert all(0 < loss < 10 for loss in (*losses, run["final_loss"]))
    table = (text.parent / "t.md").read_text()
    assert table in capsys.readouterr().out
    assert [x.split(" | ")[:2] for x in table.splitlines()[2:]] == [
        ["| baseline", "1"],
        ["| all", "1"],
    ]

    def train(setup, variant, seed):
        assert (variant, seed) == ("baseline", 1)
        return {**content["runs"][0], "seed": 1}

    monkeypatch.setattr(training, "train", train)
    measure_recipes.main(
        _values(text, "--variants=baseline", "--seeds=2", "--loss=1")
    )
    content = json.loads(pathlib.Path(values.json).read_text())
    assert [(x["variant"], x["seed"]) for x in content["runs"]] == [
        ("baseline", 0),
        ("all", 0),
        ("baseline", 1),
    ]
    with pytest.raises(ValueError, match="the same setup"):
        measure_recipes.main(_values(text, "--steps=7"))


def test_a_variant_that_does_not_exist_is_told(text):
    with pytest.raises(ValueError, match="Received: all but none"):
        measure_recipes.main(_values(text, "--variants=all but none"))


def test_every_switch_changes_something():
    baseline = switches.settings_of("baseline")
    for name in switches.SWITCHES:
        settings = switches.settings_of(name)
        assert settings != baseline and settings.keys() >= baseline.keys()
    names = switches.variants(with_each_left_out=True)
    assert len({*names}) == len(names)
    assert "all but rotary" in names
    assert "all but learning_rate" not in names  # Muon has its own


def _model(soft_cap=False, value_embeddings=False):
    settings = dict.fromkeys(switches.EXPERIMENTS, False) | dict(
        soft_cap=soft_cap, value_embeddings=value_embeddings
    )
    config = TrainConfig(
        d_model=16,
        dff=32,
        num_layers=4,
        max_length=LENGTH,
        optimizer="muon",
        initializer_stddev=2.0,
    )
    return training.make_model(config, settings, VOCABULARY)


def _tokens(rows=2):
    return np.random.default_rng(0).integers(0, VOCABULARY, (rows, LENGTH))


@pytest.mark.parametrize("soft_cap", [False, True])
@pytest.mark.parametrize("value_embeddings", [False, True])
def test_experiments_are_causal_and_capped(soft_cap, value_embeddings):
    model = _model(soft_cap, value_embeddings)
    tokens = _tokens()
    logits = keras.ops.convert_to_numpy(model(tokens))
    changed = tokens.copy()
    changed[:, 5:] = (changed[:, 5:] + 1) % VOCABULARY
    others = keras.ops.convert_to_numpy(model(changed))
    np.testing.assert_allclose(logits[:, :5], others[:, :5], atol=1e-5)
    assert np.abs(logits[:, 5:] - others[:, 5:]).max() > 0.1
    assert (np.abs(logits).max() <= CAP) == soft_cap


def test_values_gather_the_embeddings_of_their_half():
    model = _model(value_embeddings=True)
    before = keras.ops.convert_to_numpy(model(_tokens()))
    assert len(model.value_embeddings) == 2
    for embedding in model.value_embeddings:
        embedding.embeddings.assign(embedding.embeddings * 2)
        after = keras.ops.convert_to_numpy(model(_tokens()))
        assert np.abs(after - before).max() > 0.1
        before = after


def test_without_value_weights_it_is_the_model_itself():
    model, plain = _model(value_embeddings=True), _model()
    for block in model.blocks:
        block.attention.value_weights.assign([1.0, 0.0])
    weights = {x.path.split("/", 1)[1]: x for x in model.weights}
    for weight in plain.weights:
        weight.assign(weights[weight.path.split("/", 1)[1]])
    np.testing.assert_allclose(model(_tokens()), plain(_tokens()), atol=1e-4)


def test_experiments_learn_all_their_weights():
    model = _model(soft_cap=True, value_embeddings=True)
    tokens = _tokens()
    before = [x.numpy() for x in model.trainable_variables]
    model.train_on_batch(tokens[:, :-1], tokens[:, 1:])  # at rate 0
    model.train_on_batch(tokens[:, :-1], tokens[:, 1:])
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(variable.numpy() - old).max() > 0, variable.path
    assert model.needs_logits
    assert model_class(True, True).soft_cap == CAP


@pytest.mark.parametrize("kind, size", [("characters", 0), ("byte_pairs", 270)])
def test_a_corpus_is_cut_once(text, kind, size):
    corpus = read_corpus(kind, str(text), size)
    inputs, labels = corpus.windows(LENGTH)
    np.testing.assert_array_equal(inputs.ravel()[1:], labels.ravel()[:-1])
    assert inputs.shape[0] == (len(corpus.validation) - 1) // LENGTH
    assert corpus.windows(LENGTH, 3 * LENGTH)[0].shape == (3, LENGTH)
    share = len(corpus.validation) / len(corpus.train)
    assert share == pytest.approx(1 / 9, rel=0.1)


@pytest.mark.parametrize(
    "loss, step, seconds",
    [
        (5, 10, 1),
        (3, 15, 1.5),
        (2, 20, 2),
        (1.5, 30, 4),
        (0.5, *[math.inf] * 2),
    ],
)
def test_the_step_of_a_loss_lies_between_two_validations(loss, step, seconds):
    curve = [[10, 1, 4], [20, 2, 2], [40, 6, 1]]
    assert report.reached(curve, loss) == (step, seconds)


def test_a_table_compares_runs_of_the_same_seed():
    def run(variant, seed, loss):
        return dict(
            variant=variant,
            seed=seed,
            curve=[[10, 1.0, loss]],
            ms_per_step=100.0,
            final_loss=loss,
        )

    losses = {"baseline": (4, 2), "rotary": (3.5, 1), "all": (1, 9)}
    losses["all but rotary"] = (2, 9.5)
    runs = [
        run(variant, seed, loss)
        for variant, both in losses.items()
        for seed, loss in enumerate(both)
    ]
    rows = [x.split(" | ") for x in report.table(runs, 4).splitlines()[2:]]
    assert [row[-1] for row in rows] == [
        " |",
        "-0.750 (-1.000 to -0.500) |",
        "+2.000 (-3.000 to +7.000) |",
        "+0.750 (+0.500 to +1.000) |",
    ]
    assert rows[2][2] == "— (10 to —)"
    assert rows[0][5] == "3.000 (2.000 to 4.000)"
