"""Tests of `gpt_keras.training.schedules`."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.config import TrainConfig
from gpt_keras.training.schedules import WarmupAndDecay
from gpt_keras.training.schedules import make_schedule
from gpt_keras.training.schedules import same_until

CONFIG = TrainConfig(
    steps=100, warmup_steps=10, learning_rate=0.5, min_learning_rate=0.05
)
KINDS = ("cosine", "linear", "trapezoid", "constant")


def _rates(at, **changes):
    schedule = make_schedule(dataclasses.replace(CONFIG, **changes))
    return np.array(schedule(np.array(at)))


def _expected(step, kind, steps, warmup, decay, peak, low):
    """The rates by the book, in float64."""
    if step < warmup:
        return peak * step / warmup
    if kind == "constant":
        return peak
    if kind != "trapezoid":
        decay = steps - warmup
    done = np.clip((step - (steps - decay)) / decay, 0, 1)
    if kind == "cosine":
        return low + (peak - low) * (1 + np.cos(np.pi * done)) / 2
    return peak + (low - peak) * done


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps, warmup", [(100, 0), (100, 7), (600_000, 2000)])
def test_rates_are_those_by_the_book(kind, steps, warmup):
    decay = steps // 4 if kind == "trapezoid" else 0
    config = TrainConfig(
        steps=steps,
        warmup_steps=warmup,
        learning_rate=6e-4,
        min_learning_rate=6e-9,
        schedule=kind,
        decay_steps=decay,
    )
    edges = [0, 1, warmup - 1, warmup, warmup + 1, steps - decay, steps - 1]
    at = np.unique([*edges, *np.linspace(0, steps + 50, 999).astype(int)])
    at = at[at >= 0]
    schedule = make_schedule(config)
    expected = [
        _expected(step, kind, steps, warmup, decay, 6e-4, 6e-9) for step in at
    ]
    # A cosine's last steps are a difference from 1, and so less exact.
    atol = 1e-10 if kind == "cosine" else 0
    np.testing.assert_allclose(schedule(at), expected, rtol=1e-6, atol=atol)


@pytest.mark.parametrize("warmup", [0, 2000])
def test_a_cosine_has_the_very_values_of_keras(warmup):
    config = TrainConfig(
        steps=600_000,
        warmup_steps=warmup,
        learning_rate=6e-4,
        min_learning_rate=1e-4,
    )
    stock = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else 6e-4,
        decay_steps=600_000 - warmup,
        alpha=1e-4 / 6e-4,
        warmup_target=6e-4 if warmup else None,
        warmup_steps=warmup,
    )
    schedule = make_schedule(config)
    for step in [0, 1, 1999, 2000, 2001, 12_345, 299_999, 599_999, 600_001]:
        assert float(schedule(step)) == float(stock(step))


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_counts_alike_however_it_comes(kind):
    schedule = make_schedule(dataclasses.replace(CONFIG, schedule=kind))
    steps = np.array([0, 3, 10, 50, 85, 100, 200])
    expected = schedule(steps)
    assert expected.dtype == tf.float32
    iterations = tf.Variable(0, dtype=tf.int64)
    ways = [
        lambda: schedule(int(iterations.numpy())),
        lambda: schedule(iterations),
        tf.function(lambda: schedule(iterations), autograph=False),
        tf.function(
            lambda: schedule(iterations), jit_compile=True, autograph=False
        ),
    ]
    for step, rate in zip(steps, expected, strict=True):
        iterations.assign(step)
        for way in ways:
            np.testing.assert_allclose(way(), rate, rtol=1e-6)


def test_a_trapezoid_decays_over_the_last_fifth_by_itself():
    rates = _rates([10, 80, 81, 90, 100], schedule="trapezoid")
    np.testing.assert_allclose(
        rates, [0.5, 0.5, 0.4775, 0.275, 0.05], rtol=1e-6
    )
    given = _rates([60, 80], schedule="trapezoid", decay_steps=40)
    np.testing.assert_allclose(given, [0.5, 0.275], rtol=1e-6)
    within = _rates([89, 90, 95], schedule="trapezoid", warmup_steps=90)
    np.testing.assert_allclose(within, [0.5 * 89 / 90, 0.5, 0.275], rtol=1e-6)


@pytest.mark.parametrize("low", [0.3, 0.1, 0.0123, 1e-7])
def test_the_stable_phase_is_the_peak_to_the_last_bit(low):
    changes = dict(learning_rate=0.7, min_learning_rate=low)
    rates = _rates(range(10, 81), schedule="trapezoid", **changes)
    np.testing.assert_array_equal(rates, np.float32(0.7))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_may_end_within_the_warm_up(kind):
    rates = _rates([0, 3, 5], steps=5, schedule=kind)
    np.testing.assert_allclose(rates, [0, 0.15, 0.25], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_its_configuration_makes_it_again(kind):
    schedule = make_schedule(dataclasses.replace(CONFIG, schedule=kind))
    saved = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(saved)
    assert isinstance(again, WarmupAndDecay)
    assert again.get_config() == schedule.get_config()
    steps = np.arange(120)
    np.testing.assert_array_equal(again(steps), schedule(steps))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"peak": 0.0}, "`peak` must be positive. Received: peak=0.0"),
        ({"peak": 1.0, "shape": "x"}, "'cosine' or 'linear'.*shape='x'"),
    ],
)
def test_nonsense_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        WarmupAndDecay(**values)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"learning_rate": 0.0}, "`learning_rate` must be positive"),
        (
            {"min_learning_rate": 0.6},
            "`final_learning_rate` must be at most the learning rate, 0.5",
        ),
        ({"min_learning_rate": -0.1}, "`final_learning_rate` must be at least"),
        ({"schedule": "cos"}, "`schedule` must be one of cosine, linear"),
        ({"optimizer": "sgd"}, "`optimizer` must be one of adamw, muon"),
        ({"muon_momentum": 1.0}, r"`muon_momentum` must be in \[0, 1\)"),
        ({"beta_2": 1.0}, r"`beta_2` must be in \[0, 1\)"),
        ({"decay_steps": 5}, "`decay_steps` needs the schedule 'trapezoid'"),
        (
            {"schedule": "trapezoid", "decay_steps": 91},
            "must fit into `steps`.*warmup_steps=10, decay_steps=91, steps=100",
        ),
    ],
)
def test_a_configuration_of_nonsense_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **values)


@pytest.mark.parametrize(
    "kind, longer, until",
    [
        ("constant", {}, 1000),
        ("trapezoid", {"decay_steps": 20}, 81),
        ("trapezoid", {}, 81),  # the fifth grows, and begins later
        ("cosine", {}, 11),
        ("linear", {}, 11),
    ],
)
def test_more_steps_are_the_same_until_the_decay(kind, longer, until):
    short = dataclasses.replace(CONFIG, schedule=kind, **longer)
    long = dataclasses.replace(short, steps=200)
    assert same_until(short, short, 1000)
    assert same_until(short, long, until)
    if until < 1000:
        assert not same_until(short, long, until + 1)
        assert not same_until(long, short, until + 1)


def test_another_peak_differs_from_the_first_step_on():
    other = dataclasses.replace(CONFIG, learning_rate=0.6)
    assert same_until(CONFIG, other, 1)  # step 0 has rate 0
    assert not same_until(CONFIG, other, 2)


def test_the_minimum_is_by_itself_a_tenth_of_the_peak():
    config = TrainConfig(steps=10, warmup_steps=0, learning_rate=0.5)
    assert float(make_schedule(config)(10)) == pytest.approx(0.05)
