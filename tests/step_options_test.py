"""Tests of `gpt_keras.step_options`."""

import dataclasses

import numpy as np
import pytest

from gpt_keras.step_options import StepOptions


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"microbatches": 1, "chunk_tokens": None},
        {"microbatches": np.int64(4), "chunk_tokens": 0},
        {"chunk_tokens": 2**40, "spike_window": 2},
        {"ema_decay": 0.0, "spike_sigmas": 0.0},
        {"ema_decay": 0.9999, "spike_sigmas": 6},
        {"spike_sigmas": float("inf")},
    ],
)
def test_options_within_their_range_are_taken(options):
    taken = dataclasses.asdict(StepOptions(**options))
    assert taken == {**dataclasses.asdict(StepOptions()), **options}


@pytest.mark.parametrize(
    "name, value, rule",
    [
        ("microbatches", 0, "positive"),
        ("microbatches", -2, "positive"),
        ("microbatches", 2.0, "a whole number"),
        ("microbatches", None, "a whole number"),
        ("microbatches", "2", "a whole number"),
        ("ema_decay", 1.0, r"in \[0, 1\)"),
        ("ema_decay", -0.1, r"in \[0, 1\)"),
        ("ema_decay", float("nan"), r"in \[0, 1\)"),
        ("spike_sigmas", -1.0, "at least 0"),
        ("spike_sigmas", float("nan"), "at least 0"),
        ("spike_window", 1, "at least 2"),
        ("spike_window", 2.5, "a whole number"),
        ("label_smoothing", 1.0, r"in \[0, 1\)"),
        ("chunk_tokens", -1, "at least 0, or None"),
        ("chunk_tokens", 0.5, "a whole number"),
    ],
)
def test_others_are_refused_with_rule_and_value(name, value, rule):
    message = f"`{name}` must be {rule}. Received: {name}={value}"
    with pytest.raises(ValueError, match=message):
        StepOptions(**{name: value})


def test_options_change_nothing_by_themselves():
    """Whoever asks for none trains as before."""
    options = StepOptions()
    assert options.microbatches == 1 and not options.jit_compile
    assert not options.ema_decay and not options.spike_sigmas


def test_options_stay_as_they_were_checked():
    with pytest.raises(dataclasses.FrozenInstanceError):
        StepOptions().microbatches = 0
