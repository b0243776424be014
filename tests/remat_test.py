"""Tests of `GPTModel(remat=True)`: the same gradients for less memory."""

import concurrent.futures
import functools
import multiprocessing
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.layers.dropout import draw_seeds
from gpt_keras.layers.dropout import fixed_seeds

VARIANTS = {
    "document": {},
    "post": {"norm_order": "post", "tie_embeddings": True},
    "modern": {
        "position": "rotary",
        "norm": "rms",
        "qk_norm": True,
        "use_bias": False,
    },
}

IDS = np.random.default_rng(0).integers(0, 50, (3, 13))
MASK = np.arange(12) < np.array([12, 7, 9])[:, None]

MODES = {
    "eager": lambda function: function,
    "graph": functools.partial(tf.function, autograph=False),
    "xla": lambda function: tf.function(
        function, jit_compile=True, autograph=False
    ),
}


def _model(remat, rate=0.5, **options):
    """The same weights and the same sequence of seeds each time."""
    keras.utils.set_random_seed(0)
    model = GPTModel(
        50, 16, 2, 32, 12, rate, num_layers=2, remat=remat, **options
    )
    model.build((None, None))
    return model


def _gradients(model, mode, mask=None, fixed=False):
    """Of two steps, whose masks differ; the second one from the same graph."""

    @MODES[mode]
    def step(seeds):
        with fixed_seeds(seeds), tf.GradientTape() as tape:
            logits = model(IDS[:, :-1], training=True, mask=mask)
            loss = keras.losses.sparse_categorical_crossentropy(
                IDS[:, 1:], logits, from_logits=True
            )
            loss = tf.reduce_mean(loss)
        gradients = tape.gradient(loss, model.trainable_weights)
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

    steps = [step(draw_seeds(model) if fixed else {}) for _ in range(2)]
    return [np.array(gradient) for step in steps for gradient in step]


def _compare(ours, plain, tolerance=1e-6):
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance, rtol=tolerance)
    half = len(plain) // 2
    assert np.abs(plain[0] - plain[half]).max() > 1e-4  # other masks


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_the_gradients_are_the_same_with_dropout(variant, mode):
    plain = _gradients(_model(False, **VARIANTS[variant]), mode)
    ours = _gradients(_model(True, **VARIANTS[variant]), mode)
    _compare(ours, plain)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("mask", [None, MASK])
def test_the_gradients_are_the_same_with_seeds_held_and_a_mask(mode, mask):
    plain = _gradients(_model(False), mode, mask, fixed=True)
    ours = _gradients(_model(True), mode, mask, fixed=True)
    _compare(ours, plain)


@pytest.mark.parametrize("mode", MODES)
def test_the_gradients_are_the_same_in_16_bits(mode):
    plain = _gradients(_model(False, dtype="mixed_bfloat16"), mode, fixed=True)
    ours = _gradients(_model(True, dtype="mixed_bfloat16"), mode, fixed=True)
    # The two programs of XLA round to 16 bits at other places.
    _compare(ours, plain, 1e-4 if mode == "xla" else 1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_trains_as_the_model_without(jit_compile):
    """In the trainer's loop over microbatches, with the chunked loss."""
    models = [_model(False), _model(True)]
    for model in models:
        model.compile(
            keras.optimizers.SGD(0.5),
            microbatches=2,
            chunk_tokens=5,
            jit_compile=jit_compile,
        )
        model.fit(IDS[:, :-1], IDS[:, 1:], epochs=3, shuffle=False, verbose=0)
    for one, other in zip(
        *[model.get_weights() for model in models], strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_drops_anew_in_each_step_and_not_in_evaluation():
    model, plain = _model(True), _model(False)
    ids = IDS[:, :-1]
    for _ in range(2):
        np.testing.assert_array_equal(
            model(ids, training=True), plain(ids, training=True)
        )
    np.testing.assert_array_equal(model(ids), plain(ids))
    logits, cache = model.step(ids, model.make_cache(3), training=True)
    assert len(cache) == 2 and logits.shape == (3, 12, 50)


def test_saved_and_loaded_is_equal(tmp_path):
    model = _model(True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.remat and loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded(IDS[:, 1:]), model(IDS[:, 1:]))


def test_models_saved_before_there_was_remat_load():
    config = _model(True).get_config()
    del config["remat"]
    assert not GPTModel.from_config(config).remat


def test_the_gradients_take_less_memory():
    """In a process of its own, or the peak may be another test's."""
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn")
    ) as process:
        before, with_remat, without = process.submit(_peaks).result(240)
    assert without - before > 1.5 * (with_remat - before)


def _peaks():
    """Peaks of memory (kB): what it takes anyway, with remat, without."""
    peaks = []
    for remat, length in ((False, 2), (True, 64), (False, 64)):
        model = GPTModel(50, 64, 4, 256, 64, num_layers=8, remat=remat)
        model.build((None, None))

        @tf.function(autograph=False)
        def step(ids, model=model):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(model(ids, training=True))
            return tape.gradient(loss, model.trainable_weights)

        step(tf.ones((64, length), tf.int32))
        peaks.append(_peak())
    return peaks


def _peak():
    status = pathlib.Path("/proc/self/status").read_text("utf-8")
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1])
