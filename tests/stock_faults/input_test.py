"""What stock Keras takes silently, and this project refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from stock_faults.stock_testing import VOCAB_SIZE
from stock_faults.stock_testing import Stock
from stock_faults.stock_testing import make_batch
from stock_faults.stock_testing import make_model

from gpt_keras import GPTModel


def _fit(kind, ids, labels, weight=None, **options):
    model = make_model(kind, keras.optimizers.SGD(0.1), **options)
    return model.fit(
        ids, labels, sample_weight=weight, verbose=0, shuffle=False
    ).history["loss"][0]


@pytest.mark.parametrize("bad", [-1, VOCAB_SIZE, 10**6])
def test_a_bad_id_under_xla(bad):
    """Stock: another id's embedding."""
    ids, labels = make_batch()
    ids[0, 0] = bad
    assert np.isfinite(_fit(Stock, ids, labels, jit_compile=True))
    with pytest.raises(Exception, match=r"`token_ids` must be in \[0"):
        _fit(GPTModel, ids, labels, jit_compile=True)


def test_id_minus_one_without_xla():
    """Stock: the last row of the embedding."""
    ids, labels = make_batch()
    ids[0, 0] = -1
    assert np.isfinite(_fit(Stock, ids, labels))
    with pytest.raises(Exception, match=r"`token_ids` must be in \[0"):
        _fit(GPTModel, ids, labels)


def test_a_bad_label_under_xla():
    """Stock: NaN, in the weights too."""
    ids, labels = make_batch()
    labels[0, 0] = VOCAB_SIZE
    assert np.isnan(_fit(Stock, ids, labels, jit_compile=True))
    with pytest.raises(Exception, match=r"`labels` must be in \[0"):
        _fit(GPTModel, ids, labels, jit_compile=True)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_label_without_weight_may_be_anything(jit_compile):
    """Stock raises, or under XLA multiplies a NaN by 0."""
    ids, labels = make_batch()
    weight = np.ones(ids.shape, "float32")
    expected = _fit(GPTModel, ids[1:], labels[1:])
    labels[0], weight[0] = -100, 0
    loss = _fit(GPTModel, ids, labels, weight, jit_compile=jit_compile)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    try:
        stock = _fit(Stock, ids, labels, weight, jit_compile=jit_compile)
    except tf.errors.InvalidArgumentError:
        stock = None
    assert stock is None or not np.isclose(stock, expected, rtol=1e-3)


def test_assertions_are_dropped_by_xla_and_stand_outside_of_it():
    """Why the checks are not in what is compiled."""

    def checked(x):
        tf.debugging.assert_less(x, 5)
        return x + 1

    compiled = tf.function(checked, jit_compile=True)
    assert int(compiled(tf.constant(7))) == 8
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.function(checked)(tf.constant(7))


def test_no_batches_at_all():
    """Stock: `fit` returns as if it had trained."""
    ids, labels = make_batch()
    data = tf.data.Dataset.from_tensor_slices((ids, labels)).batch(4).take(0)
    stock = make_model(Stock).fit(data, verbose=0).history
    assert "loss" not in stock or not stock["loss"] or stock["loss"] == [0.0]
    with pytest.raises(ValueError, match="at least one batch"):
        make_model(GPTModel).fit(data, verbose=0)
