"""Tests of `gpt_keras.planning.plan`."""

import dataclasses

import pytest
from planning_testing import VOCAB_SIZE
from planning_testing import config_of

from gpt_keras.model import GPTModel
from gpt_keras.planning.devices import DEVICES
from gpt_keras.planning.devices import Device
from gpt_keras.planning.plan import make_plan
from gpt_keras.planning.plan import remedies
from gpt_keras.recipes import RECIPES

GPT2_SMALL = RECIPES["gpt2_small"]


def test_a_large_model_is_planned_without_making_it(monkeypatch):
    def build(*_):
        raise AssertionError("weights are made")

    monkeypatch.setattr(GPTModel, "build", build)
    config = dataclasses.replace(
        GPT2_SMALL, num_layers=48, d_model=1600, num_heads=25, dff=6400
    )
    plan = make_plan(config, 50257, DEVICES["h100"], 512)
    assert plan.parameters.total == 1_557_611_200  # GPT-2 XL
    assert (plan.rows, plan.device_tokens) == (1, 1024)
    assert plan.tokens == 600_000 * 512 * 1024
    assert plan.fits


def test_devices_divide_the_batch_and_not_the_model():
    one, four = (
        make_plan(config_of("gpt2"), VOCAB_SIZE, DEVICES["t4"], devices)
        for devices in (1, 4)
    )
    assert one.memory.weights == four.memory.weights
    assert one.memory.activations == pytest.approx(
        4 * four.memory.activations, rel=0.02
    )
    assert one.step_tokens == four.step_tokens == 4 * four.device_tokens


def test_flags_that_would_help_are_named():
    config = dataclasses.replace(GPT2_SMALL, dtype="float32")
    plan = make_plan(config, 50257, DEVICES["rtx4090"], 8)
    assert not plan.fits
    found = remedies(plan, 50257)
    flags, peak = list(found.items())[-1]
    assert "--microbatches=" in flags and peak <= plan.device.memory
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_a_memory_that_is_not_known_holds_everything():
    plan = make_plan(GPT2_SMALL, 50257, Device("x", {2: 1.0}))
    assert plan.fits


@pytest.mark.parametrize(
    ("options", "device", "devices", "message"),
    [
        ({"batch_size": 6}, "h100", 4, "batch_size=6, devices=4"),
        ({"batch_size": 6, "microbatches": 4}, "h100", 1, "microbatches=4"),
        ({}, "h100", 0, "`devices` must be positive"),
        ({"dtype": "mixed_bfloat16"}, "v100", 1, "no products of bfloat16"),
    ],
)
def test_what_can_not_be_is_refused(options, device, devices, message):
    config = config_of("gpt2", **options)
    with pytest.raises(ValueError, match=message):
        make_plan(config, VOCAB_SIZE, DEVICES[device], devices)
