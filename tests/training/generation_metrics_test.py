"""Tests of `gpt_keras.training.generation_metrics`, in whole runs."""

import dataclasses
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.config import TrainConfig
from gpt_keras.training.checkpoint import BEST
from gpt_keras.training.checkpoint import latest_step
from gpt_keras.training.generation_metrics import PAGE
from gpt_keras.training.generation_metrics import SCORED
from gpt_keras.training.generation_metrics import GenerationMetrics
from gpt_keras.training.generation_metrics import Measurement
from gpt_keras.training.hosts import Hosts
from gpt_keras.training.run_log import read_metrics
from gpt_keras.training.run_start import begin_run
from gpt_keras.training.trainer import train

CONFIG = TrainConfig(
    d_model=8,
    num_heads=2,
    dff=16,
    num_layers=1,
    max_length=8,
    rate=0.1,
    steps=8,
    batch_size=4,
    warmup_steps=2,
    log_every=2,
    validate_every=0,
    checkpoint_every=4,
    sample_every=0,
    ema_decay=0.5,
    pairs="pairs.jsonl",
)
METRICS = dataclasses.replace(CONFIG, metrics_every=3, keep_best_by="bleu")
SCORES = {3: 20.0, 6: 30.0, 8: 10.0}


def _batches(first_step, num_steps):
    def fetch(step):
        ids = (tf.range(9) + tf.cast(step, tf.int32)) % 20
        ids = tf.tile(ids[None], [4, 1])
        return ids[:, :-1], ids[:, 1:], tf.ones((4, 8))

    return tf.data.Dataset.range(first_step, first_step + num_steps).map(fetch)


def _train(folder, config, **options):
    return train(
        config, folder, vocab_size=20, training_batches=_batches, **options
    )


class Scorer:
    """Scores by the step, runs the model, and keeps the weights it saw."""

    def __init__(self):
        self.weights = {}

    def __call__(self, model, should_stop):
        step = int(model.optimizer.iterations.numpy())
        model(np.arange(8)[None])
        self.weights[step] = [x.numpy() for x in model.trainable_variables]
        if should_stop():
            return None
        return Measurement({"bleu": SCORES[step]}, 5, f"table {step}", "page")


def _losses(folder):
    return [(x["step"], x["loss"]) for x in read_metrics(folder) if "loss" in x]


def _scores(folder):
    return {x["step"]: x["bleu"] for x in read_metrics(folder) if "bleu" in x}


@pytest.fixture(name="runs", scope="module")
def _runs(tmp_path_factory):
    """Two runs, without scores and with them."""
    folder, scorer = tmp_path_factory.mktemp("runs"), Scorer()
    plain, _ = _train(folder / "plain", CONFIG)
    scored, _ = _train(folder / "scored", METRICS, measure=scorer)
    return folder, scorer, plain, scored


def test_scores_come_when_due_and_at_the_end(runs):
    folder, scorer, *_ = runs
    assert _scores(folder / "scored") == SCORES
    lines = [x for x in read_metrics(folder / "scored") if "bleu" in x]
    assert {x[SCORED] for x in lines} == {5}
    assert (folder / "scored" / PAGE).read_text() == "page"
    events = sorted((folder / "scored" / "logs").glob("*"))
    values = [
        (value.tag, event.step)
        for path in events
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]
    assert {step for tag, step in values if tag == "examples"} == {3, 6, 8}


def test_what_is_learned_does_not_depend_on_them(runs):
    folder, _, plain, scored = runs
    assert _losses(folder / "plain") == _losses(folder / "scored") != []
    for value, expected in zip(scored.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(value.numpy(), expected.numpy())


def test_the_averages_write_and_the_best_of_them_are_kept(runs):
    folder, scorer, _, scored = runs
    best = folder / "scored" / "checkpoints" / BEST
    assert latest_step(best) == 6
    reader = tf.train.load_checkpoint(str(best))
    shapes = reader.get_variable_to_shape_map()
    kept = [
        reader.get_tensor(name) for name in shapes if name.startswith("model/")
    ]
    for weight in scorer.weights[6]:
        assert any(np.array_equal(weight, value) for value in kept)
    with scored.averaged_weights():
        for weight, value in zip(
            scored.trainable_variables, scorer.weights[8], strict=True
        ):
            np.testing.assert_array_equal(weight.numpy(), value)


def test_a_run_that_is_stopped_makes_up_for_them(runs, tmp_path):
    folder, *_ = runs

    class Stopped(Scorer):
        def __call__(self, model, should_stop):
            if not self.weights:
                signal.raise_signal(signal.SIGTERM)
            return super().__call__(model, should_stop)

    _, finished = _train(tmp_path, METRICS, measure=Stopped())
    assert not finished and _scores(tmp_path) == {}
    model, finished = _train(tmp_path, METRICS, measure=Scorer())
    assert finished and _scores(tmp_path) == SCORES
    assert _losses(tmp_path)[-1] == _losses(folder / "scored")[-1]
    best = tmp_path / "checkpoints" / BEST
    assert latest_step(best) == 6


def test_a_run_knows_of_the_best_score_of_its_log(runs, tmp_path):
    shutil.copytree(runs[0] / "scored", tmp_path / "run")
    with open(tmp_path / "run" / "metrics.jsonl", "a") as file:
        file.write('{"step": 8, "bleu": 50.0}\n')
    strategy = tf.distribute.get_strategy()
    _, checkpoint = begin_run(
        METRICS, tmp_path / "run", 20, None, None, strategy, Hosts(strategy)
    )
    assert float(checkpoint.best_loss.numpy()) == -50
    other = dataclasses.replace(METRICS, keep_best_by="chrf")
    with pytest.raises(ValueError, match="keep_best_by: 'bleu' there"):
        _train(tmp_path / "run", other, measure=Scorer())


def test_signals_that_came_before_leave_it_out():
    class Stop:
        received = signal.SIGTERM

    callback = GenerationMetrics(None, "", 1, 5, None, stop=Stop())
    callback.at_step(1, {})  # nothing is measured


def test_without_what_measures_it_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`metrics_every` needs `measure`"):
        _train(tmp_path / "run", METRICS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": "meteor"}, "`metrics` must be of bleu"),
        ({"metrics": "f1,f1"}, "each once"),
        ({"metrics_every": 5, "text": "x"}, "`metrics_every` needs prompts"),
        ({"metrics_every": -1}, "`metrics_every` must be at least 0"),
        ({"metrics_examples": 0}, "`metrics_examples` must be positive"),
        ({"keep_best_by": "bleu"}, "needs `metrics_every` and `keep_best`"),
        ({"keep_best_by": "repetition4"}, "best when it is highest"),
        ({"keep_best_by": "loss"}, "must be val_loss or a metric"),
        (
            {
                "keep_best_by": "bleu",
                "metrics": "f1",
                "metrics_every": 1,
                "pairs": "x",
            },
            "must be one of `metrics`",
        ),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)
