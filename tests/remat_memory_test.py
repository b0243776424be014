"""Tests of `GPTModel(remat=True)`: what is kept, and what would go wrong.

That the gradients are the same is in `remat_test.py`.
"""

import functools
import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.layers.activations import ACTIVATIONS
from gpt_keras.layers.dropout import Dropout
from gpt_keras.layers.dropout import draw_seeds
from gpt_keras.layers.dropout import fixed_seeds

IDS, LABELS = np.random.default_rng(0).integers(0, 20, (2, 12, 6))
MODES = {
    "eager": lambda function: function,
    "graph": functools.partial(tf.function, autograph=False),
    "xla": lambda function: tf.function(
        function, jit_compile=True, autograph=False
    ),
}


def _model(remat, num_layers=2):
    """The same weights and the same seeds each time."""
    keras.utils.set_random_seed(0)
    options = {"num_layers": num_layers, "initializer_stddev": 0.3}
    model = GPTModel(20, 8, 2, 16, 6, 0.3, remat=remat, **options)
    model.build((None, None))
    return model


def _plainly(layer, x):
    return layer(x, training=True)


def _stock(layer, x):
    return keras.remat(lambda x: layer(x, training=True))(x)


def _ours(layer, x):
    seeds = draw_seeds(layer)

    def forward(x):
        with fixed_seeds(seeds):
            return layer(x, training=True)

    return keras.remat(forward)(x)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "kind, apply, is_right",
    [
        (keras.layers.Dropout, _plainly, True),
        (keras.layers.Dropout, _stock, False),  # silently
        (Dropout, _stock, False),
        (Dropout, _ours, True),
    ],
)
def test_a_seed_drawn_within_gives_wrong_gradients(kind, apply, is_right, mode):
    """Dropout of ones is its own derivative, so it is plain to see."""
    layer, x = kind(0.5, seed=1), tf.ones((8, 8))

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = apply(layer, x)
        return y, tape.gradient(y, x)

    y, gradient = MODES[mode](compute)()
    assert (np.array(y) == np.array(gradient)).all() == is_right


def _gradient(remat):
    """Returns that of the embeddings in one training step, with dropout."""
    model = _model(remat)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(IDS, training=True)))
    gradient = tape.gradient(loss, model.embedding.embeddings.value)
    return np.array(tf.convert_to_tensor(gradient))


def test_stock_dropout_in_our_blocks_shows_the_fault(monkeypatch):
    ours = np.linalg.norm(_gradient(True) - _gradient(False))
    module = "gpt_keras.layers.decoder_block.Dropout"
    monkeypatch.setattr(module, keras.layers.Dropout)
    expected = _gradient(False)
    stock = np.linalg.norm(_gradient(True) - expected)
    np.testing.assert_array_equal(_gradient(False), expected)
    assert ours <= 1e-6 * np.linalg.norm(expected)
    assert stock > 0.1 * np.linalg.norm(expected)


def _watch(monkeypatch):
    """Returns weak references to what is computed within the blocks."""
    kept, relu = [], ACTIVATIONS["relu"]

    def watched(x):
        y = relu(x)
        kept.append(weakref.ref(y))
        return y

    monkeypatch.setitem(ACTIVATIONS, "relu", watched)
    return kept


@pytest.mark.parametrize("remat", [False, True])
def test_activations_are_not_kept_but_computed_again(remat, monkeypatch):
    model = _model(remat)
    kept = _watch(monkeypatch)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(IDS, training=True))
    gc.collect()
    alive = sum(reference() is not None for reference in kept)
    assert (len(kept), alive) == (2, 0 if remat else 2)
    tape.gradient(loss, model.trainable_weights)
    assert len(kept) == (4 if remat else 2)


@pytest.mark.parametrize("training, cached", [(False, False), (True, True)])
def test_only_training_without_a_cache_computes_again(
    training, cached, monkeypatch
):
    model = _model(True)
    kept = _watch(monkeypatch)
    cache = model.make_cache(12) if cached else None
    with tf.GradientTape() as tape:
        logits, _ = model.step(IDS, cache, training=training)
        loss = tf.reduce_sum(logits)
    tape.gradient(loss, model.trainable_weights)
    assert len(kept) == 2


def _losses(remat, **options):
    model = _model(remat, num_layers=1)
    model.compile(keras.optimizers.AdamW(0.01), **options)
    data = {"batch_size": 4, "epochs": 3, "shuffle": False, "verbose": 0}
    return model.fit(IDS, LABELS, **data).history["loss"]


@pytest.mark.parametrize(
    "options",
    [{}, {"microbatches": 3}, {"microbatches": 2, "jit_compile": True}],
)
def test_fit_walks_the_same_way(options):
    losses = _losses(True, **options)
    np.testing.assert_allclose(losses, _losses(False, **options), rtol=1e-6)
    assert losses[-1] < losses[0]
