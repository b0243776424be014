"""Tests of `gpt_keras.planning.timing` and of the table of devices."""

import pytest
from planning_testing import VOCAB_SIZE
from planning_testing import config_of

from gpt_keras.planning.devices import DEVICES
from gpt_keras.planning.plan import make_plan
from gpt_keras.planning.timing import assumed_seconds
from gpt_keras.planning.timing import exchange_seconds
from gpt_keras.planning.timing import update_flops
from gpt_keras.recipes import RECIPES


def _seconds(plan, **options):
    return assumed_seconds(
        plan.sizes,
        plan.config,
        plan.device,
        tokens=plan.device_tokens,
        width=plan.width,
        **options,
    )


def test_the_assumed_share_of_the_peak_is_reached():
    plan = make_plan(RECIPES["gpt2_small"], 50257, DEVICES["h100"], 8)
    seconds = _seconds(plan, utilization=0.4)
    assert plan.utilization(seconds["model"]) == pytest.approx(0.4)
    assert 0 < seconds["update"] < seconds["model"]
    assert seconds["recomputed"] == 0


def test_muons_products_take_time():
    plans = [
        make_plan(config_of(name, num_layers=1), VOCAB_SIZE, DEVICES["t4"])
        for name in ("gpt2", "muon")
    ]
    adamw, muon = [update_flops(plan.sizes, plan.config) for plan in plans]
    square, wide = 6 * 16**3, 4 * 16**2 * 24 + 2 * 16**3
    assert adamw == 0 and muon == 4 * (4 * square + 2 * wide)


def test_muons_wide_matrices_are_multiplied_twice():
    config = config_of("muon", num_layers=1, dff=64)
    plan = make_plan(config, VOCAB_SIZE, DEVICES["t4"])
    square, wide = 4 * 6 * 16**3, 4 * 16**2 * 64 + 26 * 16**3
    assert update_flops(plan.sizes, plan.config) == 4 * square + 2 * wide


@pytest.mark.parametrize("name", DEVICES)
def test_devices_are_told_apart_by_precision(name):
    device = DEVICES[name]
    assert device.peak_flops(2) > device.peak_flops(4) > 1e12
    assert device.peak_flops(8) == device.peak_flops(4)
    assert device.memory >= 16e9 and device.source
    plans = [
        make_plan(config_of("gpt2", dtype=dtype), VOCAB_SIZE, device)
        for dtype in ("float32", "mixed_float16")
    ]
    assert _seconds(plans[0])["model"] > _seconds(plans[1])["model"]


def test_gradients_are_exchanged_in_a_ring():
    plan = make_plan(config_of("gpt2"), VOCAB_SIZE, DEVICES["a100"], 4)
    gradients = 4 * plan.parameters.trained
    seconds = exchange_seconds(plan.parameters, 4, link=gradients)
    assert seconds == pytest.approx(1.5)
    assert exchange_seconds(plan.parameters, 1, link=1.0) == 0
    assert exchange_seconds(plan.parameters, 4, link=None) == 0
