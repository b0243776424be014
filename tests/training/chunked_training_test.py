"""Tests of training with and without all logits: it is the same training."""

import functools

import keras
import numpy as np
import pytest

from gpt_keras import GPTModel

VOCAB = 20
IDS, LABELS = np.random.default_rng(0).integers(0, VOCAB, (2, 10, 6))
WEIGHT = np.random.default_rng(1).random((10, 6)).astype("float32")
METRICS = ("sparse_categorical_accuracy",)


def _model(kind=GPTModel, tied=False, dtype="float32", **options):
    keras.utils.set_random_seed(0)
    sizes = (VOCAB, 8, 2, 16, 6, 0.2)
    model = kind(*sizes, num_layers=1, tie_embeddings=tied, dtype=dtype)
    model.compile(keras.optimizers.AdamW(0.01), **options)
    return model


@functools.cache
def _trained(tied=False, dtype="float32", metrics=None, **options):
    """Returns the losses of two epochs, an evaluation, and the weights."""
    model = _model(tied=tied, dtype=dtype, metrics=metrics, **options)
    data = {"sample_weight": WEIGHT, "batch_size": 4, "verbose": 0}
    history = model.fit(IDS, LABELS, epochs=2, shuffle=False, **data)
    evaluated = model.evaluate(IDS, LABELS, return_dict=True, **data)
    losses = [*history.history["loss"], evaluated["loss"]]
    return losses, model.get_weights()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("options", [{"metrics": METRICS}, {"chunk_tokens": 7}])
def test_fit_and_evaluate_walk_the_same_way(tied, options):
    """The last batch is a part of one; dropout is the same everywhere."""
    losses, weights = _trained(tied, **options)
    expected, other_weights = _trained(tied, chunk_tokens=0)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    for one, other in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert losses[1] < losses[0]


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16"])
def test_fit_walks_nearly_the_same_way_in_16_bits(dtype):
    losses, _ = _trained(dtype=dtype, chunk_tokens=7)
    expected, _ = _trained(dtype=dtype, metrics=METRICS)
    np.testing.assert_allclose(losses, expected, rtol=2e-3)


class OwnCall(GPTModel):
    def call(self, x, training=None, mask=None):
        return super().call(x, training=training, mask=mask) * 0.5


class OwnStep(GPTModel):
    def step(self, x, cache=None, training=None, mask=None):
        logits, cache = super().step(x, cache, training, mask)
        return logits * 0.5, cache


class OwnLogits(GPTModel):
    def logits(self, hidden):
        return super().logits(hidden) * 0.5


class OwnLoss(GPTModel):
    def compute_loss(self, x, y, y_pred, sample_weight, training=True):
        return super().compute_loss(x, y, y_pred * 0.5, sample_weight)


class OwnMetrics(GPTModel):
    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        results = super().compute_metrics(x, y, y_pred, sample_weight)
        return {**results, "largest": keras.ops.max(y_pred)}


class OwnStates(GPTModel):
    """Whose logits are still made of its states by its projection."""

    def hidden_states(self, x, cache=None, training=None, mask=None):
        hidden, cache = super().hidden_states(x, cache, training, mask)
        return hidden * 0.5, cache


@pytest.mark.parametrize(
    "kind, needs",
    [
        (GPTModel, False),
        (OwnCall, True),
        (OwnStep, True),
        (OwnLogits, True),
        (OwnLoss, True),
        (OwnMetrics, True),
        (OwnStates, False),
    ],
)
def test_what_a_subclass_overrides_is_used(kind, needs):
    """Whether or not all logits are made, the loss is that of its logits."""
    model = _model(kind)
    assert model.needs_logits == needs
    logits = model(IDS)
    if kind is OwnLoss:
        logits = logits * 0.5
    expected = keras.losses.sparse_categorical_crossentropy(
        LABELS, logits, from_logits=True
    )
    results = model.evaluate(IDS, LABELS, verbose=0, return_dict=True)
    np.testing.assert_allclose(results["loss"], np.mean(expected), rtol=1e-5)
    assert ("largest" in results) == (kind is OwnMetrics)


def test_what_is_compiled_decides():
    assert not _model().needs_logits
    assert _model(metrics=list(METRICS)).needs_logits
    assert _model(loss="mse").needs_logits
    assert not _model(chunk_tokens=0).needs_logits
