"""Tests of `gpt_keras.layers.dropout`."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_testing import run_layer_test

from gpt_keras.layers.dropout import Dropout
from gpt_keras.layers.dropout import draw_seeds
from gpt_keras.layers.dropout import fixed_seeds
from gpt_keras.layers.dropout import fold_in

ONES = np.ones((10, 10), "float32")


def _pair(seed=1):
    """Two active dropouts, and one that drops nothing."""
    layers = [Dropout(0.5, seed=seed), Dropout(0), Dropout(0.5, seed=seed + 1)]
    return keras.Sequential(layers)


def _masks(model):
    """What each layer of a model drops of ones, alone."""
    return [np.array(part(ONES, training=True)) for part in model.layers]


def test_is_a_keras_layer():
    inputs = np.ones((2, 3, 4), "float32")
    _, outputs = run_layer_test(Dropout, {"rate": 0.5, "seed": 3}, inputs)
    np.testing.assert_array_equal(outputs, inputs)


def test_drops_its_share_and_scales_the_rest():
    outputs = np.array(
        Dropout(0.25, seed=1)(np.ones((100, 100)), training=True)
    )
    assert abs((outputs == 0).mean() - 0.25) < 0.02
    np.testing.assert_allclose(outputs[outputs > 0], 1 / 0.75, rtol=1e-6)


def test_every_call_draws_anew_and_a_seed_repeats():
    one, two = Dropout(0.5, seed=1), Dropout(0.5, seed=1)
    first = np.array(one(ONES, training=True))
    np.testing.assert_array_equal(first, two(ONES, training=True))
    assert (first != np.array(one(ONES, training=True))).any()


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_bad_rates_are_named(rate):
    with pytest.raises(ValueError, match=f"rate={rate}"):
        Dropout(rate)


def test_the_masks_are_those_of_keras():
    """On one device; under a strategy Keras' own are the same everywhere."""
    ours, stock = Dropout(0.5, seed=7), keras.layers.Dropout(0.5, seed=7)
    for _ in range(2):
        np.testing.assert_array_equal(
            ours(ONES, training=True), stock(ONES, training=True)
        )


def test_drawn_seeds_give_the_masks_that_a_call_gives():
    plain, fixed = _pair(), _pair()
    for _ in range(2):
        with fixed_seeds(draw_seeds(fixed)):
            held = _masks(fixed)
        np.testing.assert_array_equal(held, _masks(plain))


def test_held_seeds_stay_and_nothing_is_drawn():
    model = _pair()
    with fixed_seeds(draw_seeds(model)):
        state = np.array(model.layers[0].seed_generator.state)
        first = _masks(model)
        np.testing.assert_array_equal(_masks(model), first)
        np.testing.assert_array_equal(
            model.layers[0].seed_generator.state, state
        )
    assert (np.array(_masks(model)) != first).any()


def test_seeds_are_held_inside_only_and_can_be_nested():
    model = _pair()
    outer, inner = draw_seeds(model), draw_seeds(model)
    with fixed_seeds(outer):
        first = _masks(model)
        with pytest.raises(KeyError), fixed_seeds(inner):
            second = _masks(model)
            raise KeyError
        np.testing.assert_array_equal(_masks(model), first)
        # Of a part alone: the other goes on as before.
        part = draw_seeds(model.layers[0])
        with fixed_seeds({key: inner[key] for key in part}):
            mixed = _masks(model)
    np.testing.assert_array_equal(mixed[0], second[0])
    np.testing.assert_array_equal(mixed[2], first[2])
    assert (first[0] != second[0]).any() and (first[2] != second[2]).any()


def test_what_is_held_is_drawn_again_as_it_is():
    """A block computed twice within a step whose seeds are held already."""
    model = _pair()
    seeds = draw_seeds(model)
    with fixed_seeds(seeds):
        again = draw_seeds(model)
    assert again.keys() == seeds.keys() and len(seeds) == 2
    assert all(again[key] is seeds[key] for key in seeds)


def test_another_thread_holds_nothing():
    model, other = _pair(), {}
    with fixed_seeds(draw_seeds(model)):
        held = _masks(model)
        thread = threading.Thread(
            target=lambda: other.update(x=_masks(model)), daemon=True
        )
        thread.start()
        thread.join(60)
        np.testing.assert_array_equal(_masks(model), held)
    assert (other["x"][0] != held[0]).any()


def test_each_number_folds_into_other_masks():
    model = _pair()
    seeds = draw_seeds(model)
    masks = []
    for number in range(5):
        with fixed_seeds(fold_in(seeds, tf.constant(number))):
            masks.append(np.stack(_masks(model)[::2]))
    with fixed_seeds(seeds):
        np.testing.assert_array_equal(np.stack(_masks(model)[::2]), masks[0])
    assert len({mask.tobytes() for mask in masks}) == 5
    # Nor is it what the next steps draw.
    later = [np.stack(_masks(model)[::2]) for _ in range(5)]
    assert len({mask.tobytes() for mask in masks + later}) == 10


@pytest.mark.parametrize("jit_compile", [False, True])
def test_held_seeds_are_inputs_of_a_graph(jit_compile):
    """Other seeds, other masks, from the same graph."""
    model = _pair()
    seeds = draw_seeds(model)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def masks(number):
        with fixed_seeds(fold_in(seeds, number)):
            return model(ONES, training=True)

    first, second = masks(tf.constant(0)), masks(tf.constant(1))
    np.testing.assert_array_equal(masks(tf.constant(0)), first)
    assert (np.array(first) != np.array(second)).any()
    assert masks.experimental_get_tracing_count() == 1
