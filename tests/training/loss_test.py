"""Tests of `gpt_keras.training.loss`."""

import numpy as np

from gpt_keras.training.loss import mean_over
from gpt_keras.training.loss import weighted_token_losses


def _logits_and_labels():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 5)).astype("float32")
    return logits, rng.integers(0, 5, (2, 3)).astype("int32")


def test_equals_minus_log_probability_times_weight():
    logits, labels = _logits_and_labels()
    weight = np.array([[1, 0, 2], [0.5, 1, 1]], "float32")
    exp = np.exp(logits)
    p = np.take_along_axis(exp, labels[..., None], -1)[..., 0] / exp.sum(-1)
    losses, weights = weighted_token_losses(logits, labels, weight)
    np.testing.assert_allclose(losses, -np.log(p) * weight, rtol=1e-5)
    np.testing.assert_array_equal(weights, weight)


def test_weights_may_be_missing_or_per_row():
    logits, labels = _logits_and_labels()
    plain, ones = weighted_token_losses(logits, labels)
    np.testing.assert_array_equal(ones, np.ones((2, 3)))
    by_row, weights = weighted_token_losses(logits, labels, np.array([2.0, 0]))
    np.testing.assert_allclose(by_row[0], 2 * np.array(plain[0]), rtol=1e-6)
    np.testing.assert_array_equal(weights, [[2, 2, 2], [0, 0, 0]])


def test_labels_without_weight_may_be_anything():
    logits, labels = _logits_and_labels()
    labels[0] = -100
    losses, _ = weighted_token_losses(logits, labels, np.array([0.0, 1.0]))
    assert np.isfinite(losses).all() and not np.array(losses[0]).any()


def test_the_mean_over_nothing_is_zero():
    assert float(mean_over(np.float32(0), np.float32(0))) == 0
    assert float(mean_over(np.float32(3), np.float32(2))) == 1.5
