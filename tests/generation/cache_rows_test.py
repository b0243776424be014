"""Tests that a cache comes back from its rows."""

import numpy as np
import tensorflow as tf

from gpt_keras.generation.cache_rows import from_rows
from gpt_keras.generation.cache_rows import row_features
from gpt_keras.generation.cache_rows import to_rows
from gpt_keras.generation.cache_rows import with_positions
from gpt_keras.layers.kv_cache import KVCache


def make_cache(batch=3, positions=5, document_starts=()):
    random = np.random.default_rng(0)
    shapes = [
        (batch, heads, positions, size) for heads, size in [(2, 4), (1, 3)]
    ]
    return tuple(
        KVCache(
            *(tf.constant(random.normal(size=shape), tf.float32),) * 2,
            lengths=tf.constant([5, 0, 2][:batch]),
            document_starts=document_starts,
        )
        for shape in shapes
    )


def test_a_cache_comes_back_from_its_rows():
    cache = make_cache()
    rows = to_rows(cache)
    assert rows.shape == (3, 5, 2 * (8 + 3))
    assert row_features(cache) == (tf.float32, 22)
    back = from_rows(make_cache(1, 1), rows, cache[0].lengths)
    for one, other in zip(
        tf.nest.flatten(back), tf.nest.flatten(cache), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_row_that_comes_back_is_one_document():
    template = make_cache(1, 1, document_starts=tf.constant([7]))
    cache = make_cache(document_starts=tf.constant([0, 0, 0]))
    back = from_rows(template, to_rows(cache), cache[0].lengths)
    for one, other in zip(
        tf.nest.flatten(back), tf.nest.flatten(cache), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_row_has_its_positions_one_after_the_other():
    cache = make_cache()
    first = to_rows(cache)[0, 3]
    assert first[:8].numpy().tolist() == (
        cache[0].keys[0, :, 3].numpy().ravel().tolist()
    )


def test_new_positions_are_behind_the_others():
    cache = make_cache()
    wide = with_positions(cache, 9)
    for one, other in zip(wide, cache, strict=True):
        np.testing.assert_array_equal(one.keys[:, :, :5], other.keys)
        assert (
            one.values.shape[2] == 9 and not one.values[:, :, 5:].numpy().any()
        )
        np.testing.assert_array_equal(one.lengths, other.lengths)
