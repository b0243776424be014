"""Tests of `gpt_keras.training.chunked_loss`: what is held and computed.

That the loss is the plain one is in `chunked_loss_test.py`.
"""

import functools
import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.layers.projection import Projection
from gpt_keras.training import chunked_loss
from gpt_keras.training.chunked_loss import weighted_loss_sum
from gpt_keras.training.loss import weighted_token_losses

ROWS, LENGTH, WIDTH, VOCAB = 3, 7, 6, 11  # 21 tokens
KINDS = [(tied, bias) for tied in (False, True) for bias in (False, True)]


def _data(tied=False, with_bias=True, rows=ROWS, seed=0):
    """Returns hidden, kernel, bias or None, labels, weights."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(WIDTH, VOCAB)).astype("float32")
    return (
        tf.constant(rng.normal(size=(rows, LENGTH, WIDTH)), tf.float32),
        tf.constant(kernel.T if tied else kernel),
        tf.constant(rng.normal(size=VOCAB), tf.float32) if with_bias else None,
        tf.constant(rng.integers(0, VOCAB, (rows, LENGTH)), tf.int32),
        tf.constant(rng.random((rows, LENGTH)), tf.float32),
    )


def _plain(hidden, kernel, bias, labels, weights, tied):
    """The same sum out of all logits, as the model makes them."""
    logits = tf.linalg.matmul(
        hidden, tf.cast(kernel, hidden.dtype), transpose_b=tied
    )
    if bias is not None:
        logits += tf.cast(bias, hidden.dtype)
    return tf.reduce_sum(weighted_token_losses(logits, labels, weights)[0])


def _chunked(
    hidden, kernel, bias, *rest, tied=False, chunk_tokens=4, **options
):
    projection = Projection(kernel, bias, tied)
    options = {"chunk_tokens": chunk_tokens, **options}
    return weighted_loss_sum(hidden, projection, *rest, **options)


def _gradients(loss, hidden, kernel, bias, labels, weights):
    """Returns the loss, and its gradients for all parameters."""
    inputs = [x for x in (hidden, kernel, bias) if x is not None]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss(hidden, kernel, bias, labels, weights)
    return [value, *tape.gradient(value, inputs)]


def _errors(values, expected):
    """Returns the distance of each from what is expected, relative."""
    return [
        float(tf.norm(tf.cast(value, tf.float32) - other) / tf.norm(other))
        for value, other in zip(values, expected, strict=True)
    ]


@pytest.mark.parametrize("chunk_tokens", [0, 4, 1000])
def test_one_program_of_xla_takes_any_shape(chunk_tokens):
    _, kernel, bias, *_ = _data()
    loss = functools.partial(_chunked, chunk_tokens=chunk_tokens)

    @tf.function(
        jit_compile=True,
        input_signature=[
            tf.TensorSpec([None, None, WIDTH]),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, None]),
        ],
        autograph=False,
    )
    def compute(hidden, labels, weights):
        return _gradients(loss, hidden, kernel, bias, labels, weights)

    for rows in (ROWS, 1):
        hidden, _, _, labels, weights = _data(rows=rows, seed=rows)
        data = (hidden, kernel, bias, labels, weights)
        expected = _gradients(functools.partial(_plain, tied=False), *data)
        errors = _errors(compute(hidden, labels, weights), expected)
        assert max(errors) <= 1e-6


@pytest.mark.parametrize("scale", [1.0, 2.0**10])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", KINDS)
def test_is_no_less_exact_in_16_bits_than_the_plain_path(kind, dtype, scale):
    """Both against float32, the mean error of some batches.

    The gradient of the states is rounded once more: before its weight.
    """
    plain = functools.partial(_plain, tied=kind[0])
    loss = functools.partial(_chunked, tied=kind[0])
    ours, others = [], []
    for seed in range(8):
        *floats, labels, weights = _data(*kind, seed=seed)
        # Numbers that 16 bits can hold, in float32 and in 16 bits.
        low = [x if x is None else tf.cast(x, dtype) for x in floats]
        full = [x if x is None else tf.cast(x, tf.float32) for x in low]
        rest = (labels, weights * scale)
        expected = _gradients(plain, *full, *rest)
        low = (low[0], *full[1:], *rest)
        ours.append(_errors(_gradients(loss, *low), expected))
        others.append(_errors(_gradients(plain, *low), expected))
    ours, others = np.mean(ours, 0), np.mean(others, 0)
    room = np.array([1.1, 1.45, *[1.1] * len(ours[2:])])
    assert (ours <= room * others + 1e-6).all()
    assert ours.max() <= {"bfloat16": 2.0**-8, "float16": 2.0**-11}[dtype]


def test_gradients_have_the_dtype_of_what_they_are_for():
    *floats, labels, weights = _data()
    low = [tf.cast(x, tf.bfloat16) for x in floats]
    value, *gradients = _gradients(_chunked, *low, labels, weights)
    assert value.dtype == tf.float32
    assert [gradient.dtype for gradient in gradients] == [tf.bfloat16] * 3


@pytest.mark.parametrize("dtype", ["uint16", "int64", "int8"])
def test_labels_may_be_any_integers(dtype):
    *floats, labels, weights = _data()
    value = _chunked(*floats, tf.cast(labels, dtype), weights)
    assert value == _chunked(*floats, labels, weights)


@pytest.mark.parametrize(
    "chunk_tokens, expected", [(2**40, [6]), (6, [6]), (4, [3, 3]), (0, [6])]
)
@pytest.mark.parametrize("rows", [2, None])
def test_chunks_are_even_and_no_larger_than_the_batch(
    rows, chunk_tokens, expected, monkeypatch
):
    """Also of an unknown batch, as `fit` has it: what is padded is computed."""
    sizes, losses = [], chunked_loss._losses

    def counted(rows, *args):
        count = tf.shape(rows)[0]
        tf.numpy_function(lambda size: sizes.append(int(size)), [count], [])
        return losses(rows, *args)

    monkeypatch.setattr(chunked_loss, "_losses", counted)
    _, kernel, bias, *_ = _data()

    def compute(hidden):
        weights = tf.ones(tf.shape(hidden)[:2])
        labels = tf.zeros(tf.shape(hidden)[:2], tf.int32)
        data = (hidden, kernel, bias, labels, weights)
        return _chunked(*data, chunk_tokens=chunk_tokens)

    signature = [tf.TensorSpec([rows, 3, WIDTH])]
    compute = tf.function(compute, input_signature=signature, autograph=False)
    compute(tf.zeros((2, 3, WIDTH)))
    assert sizes == expected


def test_an_eager_tape_keeps_no_logits(monkeypatch):
    data, kept, losses = _data(), [], chunked_loss._losses

    def watched(*args):
        values, errors = losses(*args)
        kept.append(weakref.ref(errors))
        return values, errors

    monkeypatch.setattr(chunked_loss, "_losses", watched)
    with tf.GradientTape() as tape:
        tape.watch(data[:3])
        loss = _chunked(*data, chunk_tokens=7)
    gc.collect()
    assert [reference() for reference in kept] == [None] * 3
    assert tape.gradient(loss, data[1]) is not None


@pytest.mark.parametrize("chunk_tokens", [0, 4])
@pytest.mark.parametrize("with_gradients, expected", [(True, 4), (False, 1)])
def test_without_gradients_one_product_is_made(
    with_gradients, expected, chunk_tokens
):
    """Else four: the logits, and the gradients of rows, kernel and bias.

    With chunks a graph has them for the first one, and for those of the loop.
    """

    @tf.function(autograph=False)
    def compute():
        options = {"chunk_tokens": chunk_tokens}
        return _chunked(*_data(), with_gradients=with_gradients, **options)

    graph = compute.get_concrete_function().graph.as_graph_def()
    inner = [node for part in graph.library.function for node in part.node_def]
    products = [node for node in [*graph.node, *inner] if "MatMul" in node.op]
    assert len(products) == expected * (2 if chunk_tokens else 1)


def test_no_zeros_as_large_as_the_kernel_are_kept_by_the_graph():
    """TensorFlow's optimizer makes a constant of them, in memory for good."""
    rows, kernel, bias, *others = _data()
    step = tf.function(
        lambda *trained: _chunked(*trained, *others, chunk_tokens=4),
        autograph=False,
    )
    graph = step.get_concrete_function(rows, kernel, bias).graph
    functions = graph.as_graph_def().library.function
    nodes = [node for part in functions for node in part.node_def]
    assert "ZerosLike" not in {
        x.op for x in [*graph.as_graph_def().node, *nodes]
    }
