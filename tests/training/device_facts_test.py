"""Tests of `gpt_keras.training.device_facts`."""

import resource
import sys
import time
import types

import pytest
import tensorflow as tf

from gpt_keras.training import device_facts
from gpt_keras.training.device_facts import peak_flops
from gpt_keras.training.device_facts import peak_memory


def test_measures_a_product_on_this_machine():
    started = time.monotonic()
    peak = peak_flops("float32")
    assert time.monotonic() - started < 5  # 0.35 s, alone on two cores
    # From a tenth of an old core to a hundred of the GPUs of 2024.
    assert 1e9 < peak < 1e17


@pytest.mark.parametrize(
    ("policy", "dtype"), [("mixed_bfloat16", tf.bfloat16), ("float32", "float")]
)
def test_multiplies_in_the_compute_dtype(monkeypatch, policy, dtype):
    used, matmul = set(), tf.matmul

    def spy(a, b):
        used.add(a.dtype)
        return matmul(a, b)

    monkeypatch.setattr(tf, "matmul", spy)
    monkeypatch.setattr(device_facts, "_SECONDS", 0.01)
    peak_flops(policy)
    assert used == {tf.as_dtype(dtype)}


@pytest.mark.parametrize(
    ("flops", "largest"), [(1e12, 2048), (1e8, 256), (2e10, 1024)]
)
def test_a_slow_device_gets_smaller_matrices(monkeypatch, flops, largest):
    sizes = []

    def product_seconds(size, dtype, products):
        sizes.append(size)
        return 2 * size**3 / flops * (1 + len(sizes) % 2)  # each other is slow

    monkeypatch.setattr(device_facts, "_product_seconds", product_seconds)
    monkeypatch.setattr(device_facts, "_SECONDS", 0.3)
    assert peak_flops("float32") == pytest.approx(flops)
    assert max(sizes) == largest


def test_peak_memory_of_the_process():
    before = peak_memory()
    assert 10**8 < before < 10**13  # TensorFlow alone takes hundreds of MB
    assert peak_memory() >= before


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1)])
def test_the_unit_of_each_system(monkeypatch, platform, unit):
    usage = types.SimpleNamespace(ru_maxrss=3)
    monkeypatch.setattr(resource, "getrusage", lambda _: usage)
    monkeypatch.setattr(sys, "platform", platform)
    assert peak_memory() == 3 * unit


def test_peak_memory_of_the_fullest_gpu(monkeypatch):
    peaks = {"GPU:0": {"peak": 5}, "GPU:1": {"peak": 7}}
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: [0, 1])
    monkeypatch.setattr(
        tf.config.experimental, "get_memory_info", peaks.__getitem__
    )
    assert peak_memory() == 7
