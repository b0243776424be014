"""Tests of `gpt_keras.training.step_state`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.step_options import StepOptions
from gpt_keras.training.step_state import StepState


def _model(seed=0):
    keras.utils.set_random_seed(seed)
    model = GPTModel(20, 8, 2, 16, 4, num_layers=1)
    model.build((None, None))
    return model


def _state(**options):
    return StepState(_model(), StepOptions(**options))


def _run(state, losses, norms=None):
    """Shows the state some steps; returns which were accepted."""
    norms = np.ones(len(losses)) if norms is None else norms
    accepted = []
    for step, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
        loss, norm = (
            tf.constant(loss, tf.float32),
            tf.constant(norm, tf.float32),
        )
        verdict = state.accepts(loss, norm)
        state.record(tf.constant(step, tf.int64), loss, norm, verdict)
        accepted.append(bool(verdict))
    return accepted


def _noise(count, seed=0):
    return 3 + 0.1 * np.random.default_rng(seed).standard_normal(count)


@pytest.mark.parametrize("of_loss", [True, False])
def test_a_spike_is_left_out(of_loss):
    state = _state(spike_sigmas=6.0, spike_window=32)
    values = _noise(60)
    values[40], values[41] = 3.9, 3.3  # 9 and 3 standard deviations
    other = np.ones(60)
    accepted = _run(state, *((values, other) if of_loss else (other, values)))
    assert [step for step, good in enumerate(accepted) if not good] == [40]
    assert state.num_skipped.numpy() == 1


def test_no_false_alarm_on_noise_or_a_falling_loss():
    state = _state(spike_sigmas=6.0)
    falling = 10 * 0.99 ** np.arange(500) * _noise(500)
    assert all(_run(state, falling, _noise(500, seed=1)))


def test_a_loss_that_stands_still_makes_no_rounding_a_spike():
    state = _state(spike_sigmas=6.0, spike_window=8)
    assert all(_run(state, [2.0] * 20 + [2.0001]))
    assert not _run(state, [2.2])[0]


def test_skipped_steps_widen_no_range():
    """Else one spike would let the next ones through."""
    state = _state(spike_sigmas=6.0, spike_window=32)
    accepted = _run(state, [*_noise(32), 100.0, 50.0, 20.0, 10.0, 3.0])
    assert accepted[32:] == [False, False, False, False, True]


def test_what_is_not_finite_spoils_no_later_step():
    state = _state(spike_sigmas=6.0, spike_window=32)
    bad = [np.nan, np.inf, -np.inf]
    accepted = _run(state, [*_noise(32), *bad, *_noise(32, seed=1), 100.0])
    left_out = [step for step, good in enumerate(accepted) if not good]
    assert left_out == [32, 33, 34, 67]


def test_nothing_is_judged_early_but_what_is_not_finite():
    state = _state(spike_sigmas=6.0, spike_window=32)
    assert _run(state, [1.0, 100.0, np.nan, np.inf, 1000.0]) == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_without_sigmas_only_what_is_not_finite_is_left_out():
    state = _state(spike_window=4)
    assert _run(state, [1.0] * 10 + [1e9, np.nan]) == [True] * 11 + [False]
    assert not _run(state, [1.0], [np.inf])[0]


def test_recent_steps_are_told_by_their_number():
    state = _state(spike_window=4)
    _run(state, [1.0, 2.0, np.nan, 4.0, 5.0], [0.1, 0.2, 0.3, 0.4, 0.5])
    assert state.last(5) == (5.0, pytest.approx(0.5), False)
    assert np.isnan(state.last(3)[0]) and state.last(3)[2]
    assert state.num_skipped_recently() == 1
    np.testing.assert_allclose(state.last_norm(tf.constant(4)), 0.4)


def test_averages_follow_the_rule():
    model = _model()
    state = StepState(model, StepOptions(ema_decay=0.5))
    weight, expected = model.final_layer.kernel, None
    place = [w is weight for w in state.weights].index(True)
    for step in range(1, 9):
        if expected is None:
            expected = weight.numpy()
        weight.assign_add(np.full(weight.shape, step, "float32"))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight.numpy()
        state.update_averages(tf.constant(step, tf.int64))
    np.testing.assert_allclose(state.averages[place], expected, rtol=1e-5)


def test_exchanged_twice_is_the_same_bits():
    model = _model()
    state = StepState(model, StepOptions(ema_decay=0.9))
    model.final_layer.kernel.assign_add(np.ones((8, 20), "float32"))
    before = [weight.numpy() for weight in model.trainable_weights]
    averages = [average.numpy() for average in state.averages]
    state.exchange()
    for weight, average in zip(model.trainable_weights, averages, strict=True):
        np.testing.assert_array_equal(weight.numpy(), average)
    state.exchange()
    for weight, value in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
