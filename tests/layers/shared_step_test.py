"""Tests of what the layers of a step share."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.layers.dynamic_steps import dynamic_steps
from gpt_keras.layers.kv_cache import empty_cache
from gpt_keras.layers.shared_step import share_step
from gpt_keras.model import GPTModel

X = np.zeros((2, 3, 8), "float32")
MASK = np.array([[True, True, False], [True, True, True]])


def test_without_a_cache_the_mask_is_causal_and_hides_padding():
    shared = share_step(X, mask=MASK)
    visible = np.array(shared.visible)[:, 0]
    expected = np.tril(np.ones((3, 3), bool)) & MASK[:, None]
    np.testing.assert_array_equal(visible, expected)
    assert shared.turn is None and shared.write is None


def test_behind_a_cache_places_go_on_where_each_row_is():
    cache = empty_cache(2, 1, 6, 8, "float32")
    cache = cache._replace(lengths=tf.constant([1, 3]))
    shared = share_step(X, cache, MASK, rotary_dim=4)
    np.testing.assert_array_equal(shared.write.lengths, [3, 6])
    rows, heads, places = np.array(shared.write.indices).T
    np.testing.assert_array_equal(rows, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(places, [1, 2, 3, 3, 4, 5])
    assert not heads.any()
    keys = np.arange(6)
    for row, start in enumerate([1, 3]):
        for query in range(3):
            seen = np.array(shared.visible)[row, 0, query]
            np.testing.assert_array_equal(seen, keys <= start + query)
    sin, _ = shared.turn
    np.testing.assert_allclose(sin[1, 0, :, 0], np.sin([3, 4, 5]), rtol=1e-6)


def test_documents_are_seen_from_their_beginning():
    starts = np.array([[0, 1, 1], [0, 0, 2]])
    visible = np.array(share_step(X, document_starts=starts).visible)[:, 0]
    assert visible[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert visible[1].tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_only_without_mask_documents_and_cache_it_is_causal_and_no_more():
    cache = empty_cache(2, 1, 6, 8, "float32")
    starts = np.zeros((2, 3), "int32")
    assert share_step(X).is_causal
    assert share_step(X, rotary_dim=4).is_causal
    assert not share_step(X, mask=MASK).is_causal
    assert not share_step(X, document_starts=starts).is_causal
    assert not share_step(X, cache).is_causal


@pytest.mark.parametrize(
    "room, filled, num_keys",
    [
        (1024, [5, 60], 64),
        (1024, [5, 62], 128),  # 62, and three more
        (1024, [319, 0], 1024),  # a copy of 384 would save too little
        (1024, [317, 0], 320),
        (63, [0, 0], 63),
    ],
)
def test_dynamic_steps_look_no_further_than_they_have_to(
    room, filled, num_keys
):
    cache = empty_cache(2, 1, room, 8, "float32")
    cache = cache._replace(lengths=tf.constant(filled))
    assert share_step(X, cache).num_keys is None
    with dynamic_steps():
        shared = share_step(X, cache)
    assert shared.num_keys == num_keys
    assert shared.visible.shape == (2, 1, 3, num_keys)
    np.testing.assert_array_equal(
        shared.visible, share_step(X, cache).visible[..., :num_keys]
    )


@pytest.mark.parametrize("is_one", [False, True])
@pytest.mark.parametrize("mask", [None, [[1, 1, 0], [1, 1, 1]]])
def test_dynamic_steps_compute_the_same(is_one, mask):
    rng = np.random.default_rng(0)
    model = GPTModel(20, 8, 2, 16, 400, num_layers=2, position="rotary")
    ids = rng.integers(0, 20, (2, 3))
    mask = None if mask is None else np.array(mask, "bool")
    _, cache = model.step(ids, model.make_cache(2), mask=mask)
    new = ids[:, :1] if is_one else ids
    expected, _ = model.step(new, cache)

    @tf.function(autograph=False)
    def step(new, cache):
        with dynamic_steps():
            return model.step(new, cache)

    found, after = step(new, cache)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    again, _ = step(new, after)
    with_all, _ = model.step(new, after)
    np.testing.assert_allclose(again, with_all, rtol=1e-5, atol=1e-6)


def _operations(num_layers):
    model = GPTModel(20, 8, 2, 16, 12, num_layers=num_layers, position="rotary")

    @tf.function(
        input_signature=[tf.TensorSpec([None, 1], tf.int32)], autograph=False
    )
    def step(ids):
        cache = model.make_cache(tf.shape(ids)[0])
        return model.step(ids, cache)[0]

    graph = step.get_concrete_function().graph
    return [op for op in graph.get_operations() if op.type != "Const"]


def test_a_layer_more_adds_no_masks_angles_or_places():
    two, three = ([op.type for op in _operations(n)] for n in (2, 3))
    for kind in ("Shape", "Range", "LessEqual", "Sin", "Cos", "BroadcastTo"):
        assert two.count(kind) == three.count(kind), kind
    # Arithmetic, weights that are read, and reshapes; once it was 150.
    assert len(three) - len(two) < 110
