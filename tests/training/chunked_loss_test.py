"""Tests of `gpt_keras.training.chunked_loss`, against the plain path."""

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.training.chunked_loss import default_chunk_tokens
from gpt_keras.training.chunked_loss import weighted_loss_sum
from gpt_keras.training.loss import weighted_token_losses

# 33 tokens: no chunk below divides them, and 37 divides nothing.
BATCH, LENGTH, WIDTH, VOCAB = 3, 11, 8, 37

KINDS = {
    "untied": {},
    "untied without bias": {"use_bias": False},
    "tied": {"tie_embeddings": True},
}


@functools.cache
def _model(kind, dtype="float32"):
    keras.utils.set_random_seed(0)
    options = {"num_layers": 1, "initializer_stddev": 0.5, "dtype": dtype}
    model = GPTModel(VOCAB, WIDTH, 2, 16, 16, **options, **KINDS[kind])
    model.build((None, None))
    if kind == "untied":
        model.final_layer.bias.assign(np.linspace(-1, 1, VOCAB))
    return model


def _batch(dtype="float32", batch=BATCH, scale=1.0, seed=0):
    """Hidden states, labels (-100 where there is no weight) and weights."""
    rng = np.random.default_rng(seed)
    hidden = tf.cast(rng.normal(size=(batch, LENGTH, WIDTH)), dtype)
    labels = rng.integers(0, VOCAB, (batch, LENGTH))
    weights = rng.uniform(0.2, 2, (batch, LENGTH)).astype("float32") * scale
    weights[:, 3:5] = 0
    labels[:, 3:5] = -100
    return hidden, tf.constant(labels), tf.constant(weights)


def _plain(model, hidden, labels, weights):
    losses = weighted_token_losses(model.logits(hidden), labels, weights)[0]
    return tf.reduce_sum(losses)


def _chunked(model, hidden, labels, weights, most=5, **options):
    options = {"chunk_tokens": most, **options}
    projection = model.projection()
    return weighted_loss_sum(hidden, projection, labels, weights, **options)


def _loss_and_gradients(model, loss, hidden, labels, weights):
    """And the gradients of states, kernel and bias, three times as large."""
    kernel, bias, *_ = model.projection()
    parameters = [kernel.value] + ([] if bias is None else [bias.value])
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        value = loss(model, hidden, labels, weights)
        objective = 3 * value
    gradients = tape.gradient(objective, [hidden, *parameters])
    return [value, *[tf.convert_to_tensor(gradient) for gradient in gradients]]


def _compare(ours, plain, tolerance):
    for one, other in zip(ours, plain, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        one, other = np.array(one, "float32"), np.array(other, "float32")
        largest = np.abs(other).max()
        np.testing.assert_allclose(one, other, atol=tolerance * largest)


MODES = {
    "eager": lambda function: function,
    "graph": functools.partial(tf.function, autograph=False),
    "xla": functools.partial(tf.function, jit_compile=True, autograph=False),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("most", [0, 5, 33])
def test_loss_and_gradients_are_those_of_the_plain_path(kind, mode, most):
    model, batch = _model(kind), _batch()
    plain = _loss_and_gradients(model, _plain, *batch)

    @MODES[mode]
    def chunked(*batch):
        loss = functools.partial(_chunked, most=most)
        return _loss_and_gradients(model, loss, *batch)

    _compare(chunked(*batch), plain, 1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_near_the_plain_path_in_16_bits(kind, mode):
    """Logits in 16 bits as there; sums over the chunks in float32."""
    model = _model(kind, "mixed_bfloat16")
    batch = _batch("bfloat16")
    plain = _loss_and_gradients(model, _plain, *batch)

    @MODES[mode]
    def chunked(*batch):
        return _loss_and_gradients(model, _chunked, *batch)

    ours = chunked(*batch)
    _compare(ours[:1], plain[:1], 1e-3)
    _compare(ours[1:], plain[1:], 0.02)


@pytest.mark.parametrize("most", [0, 5])
def test_small_gradients_survive_16_bits(most):
    """A mean over many tokens times a loss scale, as the trainer gives it."""
    model = _model("untied", "mixed_float16")
    hidden, labels, weights = _batch("float16", scale=2.0**15 / 1e5)
    full = _model("untied")
    full.set_weights(model.get_weights())
    exact = _loss_and_gradients(
        full, _plain, tf.cast(hidden, tf.float32), labels, weights
    )
    loss = functools.partial(_chunked, most=most)
    ours = _loss_and_gradients(model, loss, hidden, labels, weights)
    assert ours[1].dtype == "float16"
    _compare([tf.cast(part, tf.float32) for part in ours], exact, 0.003)


def test_a_weight_common_to_all_is_not_rounded_to_16_bits():
    """That would make all gradients of the kernel too small by one factor."""
    model = _model("tied", "mixed_bfloat16")
    hidden, labels, _ = _batch("bfloat16", batch=50)
    labels = tf.maximum(labels, 0)
    kernels = []
    for weight in (1.0, 1.0 + 1 / 260):  # which bfloat16 rounds to 1
        weights = tf.fill(labels.shape, weight)
        gradients = _loss_and_gradients(
            model, _chunked, hidden, labels, weights
        )
        kernels.append(np.array(gradients[2]))
    factor = np.vdot(kernels[1], kernels[0]) / np.vdot(kernels[0], kernels[0])
    assert abs(factor - weight) < 1e-4


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("most", [0, 1, 100])
def test_shapes_known_only_when_it_runs(batch, most):
    model = _model("tied")

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, WIDTH)),
            tf.TensorSpec((None, None), tf.int64),
            tf.TensorSpec((None, None)),
        ],
        autograph=False,
    )
    def chunked(*batch):
        loss = functools.partial(_chunked, most=most)
        return _loss_and_gradients(model, loss, *batch)

    arguments = _batch(batch=batch)
    plain = _loss_and_gradients(model, _plain, *arguments)
    ours = chunked(*arguments)
    if batch == 0:
        assert all(not np.any(part) for part in ours)
        assert ours[1].shape == (0, LENGTH, WIDTH)
    else:
        _compare(ours, plain, 1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_without_gradients_the_loss_is_the_same(mode):
    model, batch = _model("untied"), _batch()
    expected = _plain(model, *batch)
    for most in (0, 5):
        loss = functools.partial(
            _chunked, model, most=most, with_gradients=False
        )
        np.testing.assert_allclose(MODES[mode](loss)(*batch), expected, 1e-6)


def test_gradients_reach_every_weight_of_a_model():
    """Through the states too, and summed where the embeddings are tied."""
    model = _model("tied")
    ids = np.random.default_rng(0).integers(0, VOCAB, (BATCH, LENGTH))
    _, labels, weights = _batch()
    found = []
    for loss in (_plain, _chunked):
        with tf.GradientTape() as tape:
            value = loss(model, model.hidden_states(ids)[0], labels, weights)
        gradients = tape.gradient(value, model.trainable_weights)
        found.append([tf.convert_to_tensor(part) for part in gradients])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
        assert np.any(other)


@pytest.mark.parametrize("most", [0, 5])
def test_a_label_beyond_the_vocabulary_raises_as_in_the_plain_path(most):
    model = _model("untied")
    hidden, labels, weights = _batch()
    labels = tf.tensor_scatter_nd_update(labels, [[1, 0]], [VOCAB])
    loss = functools.partial(_chunked, most=most)
    for path in (_plain, loss):
        for mode in ("eager", "graph"):
            with pytest.raises(tf.errors.InvalidArgumentError):
                MODES[mode](path)(model, hidden, labels, weights)
    assert np.isnan(MODES["xla"](loss)(model, hidden, labels, weights))


@pytest.mark.parametrize("most", [0, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_no_more_logits_are_there_at_a_time(kind, most):
    """Reads the shapes of all that the compiled program holds."""
    model = _model(kind)

    @tf.function(jit_compile=True, autograph=False)
    def function(*batch):
        loss = functools.partial(_chunked, most=most)
        return _loss_and_gradients(model, loss, *batch)

    batch = _batch()
    program = function.experimental_get_compiler_ir(*batch)("optimized_hlo")
    rows = {int(rows) for rows in re.findall(rf"\[(\d+),{VOCAB}\]", program)}
    assert max(rows - {WIDTH}) == (most or BATCH * LENGTH)


@pytest.mark.parametrize("vocab_size", [2, 256, 50257, 2**25, 2**27])
def test_the_default_keeps_to_128_megabytes(vocab_size):
    tokens = default_chunk_tokens(vocab_size)
    assert tokens >= 1
    assert tokens == 1 or tokens * vocab_size * 4 <= 2**27
    assert (tokens + 1) * vocab_size * 4 > 2**27


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [0, 5])
def test_a_frozen_projection_has_no_gradient(kind, most):
    model, batch = _model(kind), _batch()
    frozen = model.projection()._replace(trainable=False)

    def chunked(model, hidden, labels, weights):
        return weighted_loss_sum(
            hidden, frozen, labels, weights, chunk_tokens=most
        )

    _, of_states, *_ = _loss_and_gradients(model, _plain, *batch)
    with tf.GradientTape() as tape:
        tape.watch(batch[0])
        value = 3 * chunked(model, *batch)
    inputs = [batch[0], frozen.kernel.value]
    ours, of_kernel = tape.gradient(value, inputs)
    assert of_kernel is None
    _compare([ours], [of_states], 1e-6)


@pytest.mark.parametrize(
    ("mode", "padded"), [("eager", True), ("graph", False), ("xla", True)]
)
def test_smoothed_labels_are_those_of_the_plain_path(mode, padded):
    """Whose gradients are TensorFlow's; the oracle has all labels dense."""
    model, batch = _model("untied"), _batch()
    if padded:
        keras.utils.set_random_seed(0)
        options = {"num_layers": 1, "initializer_stddev": 0.5}
        model = GPTModel(VOCAB, WIDTH, 2, 16, 16, vocab_multiple=8, **options)
        model.build((None, None))

    def plain(model, hidden, labels, weights):
        logits = model.logits(hidden)
        losses, _ = weighted_token_losses(logits, labels, weights, 0.2)
        return tf.reduce_sum(losses)

    @MODES[mode]
    def chunked(*batch):
        loss = functools.partial(_chunked, label_smoothing=0.2)
        return _loss_and_gradients(model, loss, *batch)

    ours = chunked(*batch)
    _compare(ours, _loss_and_gradients(model, plain, *batch), 1e-6)
    hidden, labels, weights = batch
    dense = tf.one_hot(tf.maximum(labels, 0), VOCAB) * 0.8 + 0.2 / VOCAB
    losses = tf.nn.softmax_cross_entropy_with_logits(
        dense, model.logits(hidden)
    )
    oracle = float(tf.reduce_sum(losses * weights))
    np.testing.assert_allclose(float(ours[0]), oracle, rtol=1e-5)
