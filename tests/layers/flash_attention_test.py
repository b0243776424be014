"""Tests of when a GPU's own kernel attends; no GPU is needed."""

import sys
import types

import keras
import numpy as np
import pytest

from gpt_keras.layers import blockwise_attention
from gpt_keras.layers import flash_attention
from gpt_keras.layers.blockwise_attention import attend
from gpt_keras.layers.shared_step import share_step


def _query(dtype="bfloat16", head_dim=8):
    return keras.ops.zeros((1, 2, 4, head_dim), dtype)


@pytest.fixture
def jax_on(monkeypatch):
    """Returns a function that has Keras run JAX on such a device."""

    def make(platform, **facts):
        device = types.SimpleNamespace(platform=platform, **facts)
        jax = types.SimpleNamespace(devices=lambda: [device])
        monkeypatch.setitem(sys.modules, "jax", jax)
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")

    return make


def test_tensorflow_has_none():
    assert not flash_attention.can_flash(_query())


@pytest.mark.parametrize(
    ("platform", "capability", "expected"),
    [
        ("gpu", "9.0", True),
        ("gpu", "10.0", True),
        ("gpu", "8.0", True),
        ("gpu", "7.5", False),
        ("gpu", "gfx942", False),
        ("cpu", None, False),
        ("tpu", None, False),
    ],
)
def test_the_device_decides(jax_on, platform, capability, expected):
    query = _query()
    jax_on(platform, compute_capability=capability)
    assert flash_attention.can_flash(query) == expected


@pytest.mark.parametrize(
    ("dtype", "head_dim", "expected"),
    [
        ("float16", 64, True),
        ("bfloat16", 128, True),
        ("bfloat16", 136, False),
        ("bfloat16", 20, False),
        ("float32", 64, False),
    ],
)
def test_the_queries_decide(jax_on, dtype, head_dim, expected):
    query = _query(dtype, head_dim)
    jax_on("gpu", compute_capability="9.0")
    assert flash_attention.can_flash(query) == expected


def test_keras_can_be_told_not_to(jax_on):
    query = _query()
    jax_on("gpu", compute_capability="9.0")
    try:
        keras.config.disable_flash_attention()
        assert not flash_attention.can_flash(query)
    finally:
        keras.config.enable_flash_attention()
    assert flash_attention.can_flash(query)


def test_only_causal_attention_without_dropout_is_the_kernels(monkeypatch):
    monkeypatch.setattr(blockwise_attention, "can_flash", lambda query: True)
    monkeypatch.setattr(
        blockwise_attention, "flash_attend", lambda query, key, value: "flash"
    )
    query = _query()
    visible = share_step(np.zeros((1, 4, 8), "float32")).visible
    inputs = (query, query, query, visible)
    assert attend(*inputs, is_causal=True) == "flash"
    assert attend(*inputs).shape == query.shape
    drop = attend(*inputs, lambda weights, block: weights, is_causal=True)
    assert drop.shape == query.shape
