"""Where stock Keras' ways to less memory end, and this project's do not.

That dropout computed again gives wrong gradients is in `remat_memory_test.py`.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from gpt_keras import GPTModel

IDS = np.random.default_rng(0).integers(0, 20, (4, 6)).astype("int32")


def test_activations_are_computed_again_in_a_graph():
    """`RematScope` fails there."""
    with keras.RematScope(mode="full"):
        stock = keras.Sequential([keras.layers.Dense(4)])
        stock.compile("sgd", "mse", jit_compile=False)
        with pytest.raises(ValueError, match="when calling Sequential.call"):
            stock.fit(np.ones((4, 6)), np.ones((4, 4)), verbose=0)
    model = GPTModel(20, 8, 2, 16, 6, 0.1, num_layers=2, remat=True)
    model.compile("sgd")
    history = model.fit(IDS, IDS, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_a_causal_mask_with_a_cache():
    """Keras aligns it with the first keys: a new token sees only one."""
    rng = np.random.default_rng(0)
    query = rng.normal(size=(1, 1, 2, 4)).astype("float32")
    keys, values = rng.normal(size=(2, 1, 5, 2, 4)).astype("float32")
    stock = ops.dot_product_attention(query, keys, values, is_causal=True)
    np.testing.assert_allclose(stock[0, 0], values[0, 0], rtol=1e-5)
    model = GPTModel(20, 8, 2, 16, 6, num_layers=2)
    expected = model(IDS)[:, -1:]
    _, cache = model.step(tf.constant(IDS[:, :-1]), model.make_cache(4))
    logits, _ = model.step(tf.constant(IDS[:, -1:]), cache)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
