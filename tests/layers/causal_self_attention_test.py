"""Tests of `gpt_keras.layers.causal_self_attention`."""

import numpy as np
import pytest
from layer_testing import run_layer_test

from gpt_keras.layers.causal_self_attention import CausalSelfAttention


def _inputs(batch=2, length=6, d_model=8):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, length, d_model)).astype("float32")


@pytest.mark.parametrize(
    "options", [{}, {"rotary": True}, {"qk_norm": True, "use_bias": False}]
)
def test_is_a_keras_layer(options):
    config = {"d_model": 8, "num_heads": 2, **options}
    run_layer_test(CausalSelfAttention, config, _inputs())
    run_layer_test(
        CausalSelfAttention, config, _inputs(), mask=np.ones((2, 6), "bool")
    )


def test_equals_softmax_of_scaled_products():
    """softmax(QKᵀ / √head_dim) V, head by head, in NumPy."""
    layer = CausalSelfAttention(d_model=8, num_heads=2)
    inputs = _inputs()
    outputs = layer(inputs)
    kernel, bias = (np.array(w) for w in layer.query_key_value.weights)
    fused = inputs @ kernel + bias
    query, key, value = np.split(fused, 3, axis=-1)
    mixed = np.zeros_like(inputs)
    for row in range(2):
        for head in (slice(0, 4), slice(4, 8)):
            scores = query[row, :, head] @ key[row, :, head].T / 4**0.5
            scores[np.triu_indices(6, 1)] = -np.inf
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            mixed[row, :, head] = weights @ value[row, :, head]
    kernel, bias = (np.array(w) for w in layer.output_projection.weights)
    np.testing.assert_allclose(outputs, mixed @ kernel + bias, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "options", [{}, {"rotary": True}, {"qk_norm": True, "use_bias": False}]
)
@pytest.mark.parametrize("masked", [False, True])
def test_the_weights_are_those_of_the_outputs(options, dtype, masked):
    """weights V through the output projection, head by head, in NumPy."""
    layer = CausalSelfAttention(8, 2, rate=0.5, dtype=dtype, **options)
    inputs = _inputs()
    mask = np.array([[1, 1, 0, 1, 0, 1], [1] * 6], "bool") if masked else None
    outputs = np.array(layer(inputs, mask=mask), "float32")
    weights = layer.attention_weights(inputs, mask)
    assert weights.shape == (2, 2, 6, 6) and weights.dtype == "float32"
    value = np.array(layer.query_key_value(inputs), "float32")[..., 16:]
    value = value.reshape(2, 6, 2, 4).swapaxes(1, 2)
    mixed = (np.array(weights) @ value).swapaxes(1, 2).reshape(2, 6, 8)
    kernel, *bias = (np.array(w) for w in layer.output_projection.weights)
    tolerance = 1e-5 if dtype == "float32" else 0.03
    np.testing.assert_allclose(
        mixed @ kernel + sum(bias), outputs, atol=tolerance
    )


def test_masked_positions_are_never_attended_to():
    layer = CausalSelfAttention(d_model=8, num_heads=2)
    inputs = _inputs()
    mask = np.array([[0, 1, 1, 0, 1, 1]] * 2, "bool")
    changed = np.where(mask[..., None], inputs, 100.0)
    np.testing.assert_allclose(
        np.array(layer(inputs, mask=mask))[mask],
        np.array(layer(changed, mask=mask))[mask],
        atol=1e-6,
    )
    weights = np.array(layer.attention_weights(inputs, mask))
    assert not weights[:, :, mask[0]][..., ~mask[0]].any()


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_a_row_without_tokens_gives_no_nan(dtype):
    layer = CausalSelfAttention(d_model=8, num_heads=2, dtype=dtype)
    outputs = layer(_inputs(), mask=np.zeros((2, 6), "bool"))
    assert np.isfinite(np.array(outputs)).all()


def test_a_cache_keeps_rows_of_different_lengths_apart():
    layer = CausalSelfAttention(d_model=8, num_heads=2, rotary=True)
    inputs = _inputs(length=6)
    whole = np.array(layer(inputs))
    mask = np.array([[1, 1, 0], [1, 1, 1]], "bool")
    cache = layer.make_cache(2, max_length=8)
    first, cache = layer.step(inputs[:, :3], cache, mask=mask)
    np.testing.assert_array_equal(cache.lengths, [2, 3])
    following = np.stack([inputs[0, 2:4], inputs[1, 3:5]])
    second, cache = layer.step(following, cache)
    np.testing.assert_array_equal(cache.lengths, [4, 5])
    np.testing.assert_allclose(first[0, :2], whole[0, :2], atol=1e-5)
    np.testing.assert_allclose(first[1], whole[1, :3], atol=1e-5)
    np.testing.assert_allclose(second[0], whole[0, 2:4], atol=1e-5)
    np.testing.assert_allclose(second[1], whole[1, 3:5], atol=1e-5)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="d_model=100, num_heads=12"):
        CausalSelfAttention(100, 12)
    with pytest.raises(ValueError, match="even"):
        CausalSelfAttention(6, 2, rotary=True)
