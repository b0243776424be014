"""Tests of `gpt_keras.layers.lora` and `gpt_keras.layers.adapted_dense`."""

import keras
import numpy as np
import pytest

from gpt_keras import GPTModel
from gpt_keras.layers.lora import adapters
from gpt_keras.layers.lora import base_weights
from gpt_keras.layers.lora import enable_lora
from gpt_keras.layers.lora import merged

IDS = np.random.default_rng(0).integers(0, 50, (4, 8))


def _model(dtype="float32", adapted=True, **options):
    keras.utils.set_random_seed(0)
    options = {"position": "learned", "num_layers": 2, "dtype": dtype} | options
    model = GPTModel(50, 16, 2, 32, 12, 0.1, **options)
    model.build((None, 12))
    if adapted:
        enable_lora(model, 3, 6.0)
    return model


def _train(model, **options):
    optimizer = keras.optimizers.AdamW(0.02, weight_decay=0.1)
    model.compile(optimizer, **options)
    model.fit(IDS, IDS, epochs=8, verbose=0)
    return model


def test_it_begins_as_the_model_that_it_was():
    plain, adapted = _model(adapted=False), _model()
    np.testing.assert_array_equal(adapted(IDS), plain(IDS))
    names = {variable.name for variable in adapted.trainable_variables}
    assert names == {"lora_kernel_a", "lora_kernel_b"}
    assert len(adapters(adapted)) == 2 * 2 * 4
    for one, other in zip(base_weights(adapted), plain.weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "options, settings",
    [
        ({"tie_embeddings": True, "use_bias": False}, {"jit_compile": True}),
        (
            {"dtype": "mixed_bfloat16", "remat": True, "position": "rotary"},
            {"chunk_tokens": 5, "microbatches": 2, "ema_decay": 0.9},
        ),
        ({"dtype": "mixed_float16", "norm_order": "post"}, {}),
    ],
    ids=["xla", "bfloat16", "float16"],
)
def test_only_adapters_change(options, settings):
    model = _model(num_layers=1, **options)
    before = [np.array(weight) for weight in base_weights(model)]
    adapters_before = [np.array(variable) for variable in adapters(model)]
    _train(model, **settings)
    for weight, value in zip(base_weights(model), before, strict=True):
        np.testing.assert_array_equal(weight, value)
    for weight, value in zip(adapters(model), adapters_before, strict=True):
        assert weight.dtype == "float32" and np.any(np.array(weight) != value)


def test_merged_computes_the_same():
    model = _train(_model())
    plain = merged(model)
    assert not adapters(plain) and merged(plain) is plain
    assert len(plain.trainable_variables) == len(base_weights(model))
    np.testing.assert_allclose(plain(IDS), model(IDS), atol=1e-5)
    assert np.abs(plain(IDS) - _model(adapted=False)(IDS)).max() > 0.01


def test_merged_keeps_what_16_bits_would_round_off():
    model = _train(_model("mixed_bfloat16"))
    layer = model.blocks[0].expand
    kernel = merged(model).blocks[0].expand.kernel
    product = np.array(layer.lora_kernel_a) @ np.array(layer.lora_kernel_b)
    base = next(w for w in layer.weights if w.name == "kernel")
    expected = np.array(base) + 2.0 * product
    np.testing.assert_allclose(kernel, expected, atol=1e-7)


def test_a_cached_step_is_the_call():
    model = _train(_model())
    cache = model.make_cache(4)
    logits, cache = model.step(IDS[:, :5], cache)
    more, _ = model.step(IDS[:, 5:], cache)
    joined = np.concatenate([logits, more], 1)
    np.testing.assert_allclose(joined, model(IDS), atol=1e-5)


def test_what_keras_saves_is_merged(tmp_path):
    model = _train(_model())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert not adapters(loaded)
    np.testing.assert_allclose(loaded(IDS), model(IDS), atol=1e-5)


def test_the_seed_decides_where_they_begin():
    def begun(seed):
        model = _model(adapted=False)
        enable_lora(model, 2, seed=seed)
        return [np.array(variable) for variable in adapters(model)]

    for one, other in zip(begun(4), begun(4), strict=True):
        np.testing.assert_array_equal(one, other)
    first, second, same_shape = begun(4), begun(5), begun(4)
    assert np.any(first[0] != second[0])
    assert np.any(first[0] != same_shape[8])  # of the next block


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "`rank` must be from 1 to .* 16. Received: rank=0"),
        ((17,), "`rank` must be from 1 to .* 16. Received: rank=17"),
        ((2, -1.0), "`alpha` must be positive. Received: alpha=-1.0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        enable_lora(_model(adapted=False), *arguments)


def test_adapters_come_once_and_onto_weights():
    with pytest.raises(ValueError, match="Received: one that has some"):
        enable_lora(_model(), 2)
    with pytest.raises(ValueError, match="Received: one not built"):
        enable_lora(GPTModel(50, 16, 2, 32, 12, num_layers=1), 2)
