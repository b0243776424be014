"""Tests of `gpt_keras.training.microbatches`: parts sum up to the whole."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.training.microbatches import sum_over_microbatches

MODES = {
    "eager": lambda function: function,
    "graph": functools.partial(tf.function, autograph=False),
    "xla": lambda function: tf.function(
        function, jit_compile=True, autograph=False
    ),
}

# One that is used, and one that no objective depends on.
VARIABLES = [
    keras.Variable(np.linspace(-1, 1, 4, dtype="float32")),
    keras.Variable(np.ones(3, "float32")),
]


def _batch(rows, length=4, seed=0):
    """Inputs, integers and weights, none of them 0."""
    rng = np.random.default_rng(seed)
    return (
        tf.constant(rng.normal(size=(rows, length)), tf.float32),
        tf.constant(rng.integers(1, 9, (rows, length)), tf.int32),
        tf.constant(rng.uniform(1, 2, (rows, length)), tf.float32),
    )


def _compute(batch, index):
    """What a training step does with its part."""
    x, y, weight = batch
    with tf.GradientTape() as tape:
        outputs = tf.sin(x * VARIABLES[0]) * tf.cast(y, tf.float32)
        objective = tf.reduce_sum(outputs * weight)
    return objective, tape.gradient(objective, VARIABLES), outputs


def _sum(batch, count, has_outputs=True):
    return sum_over_microbatches(_compute, batch, count, VARIABLES, has_outputs)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 20])
def test_parts_sum_up_to_the_whole(mode, count):
    """Also where they don't come out even, and where some are empty."""
    batch = _batch(7)
    none_at = []

    def run(*batch):
        objective, gradients, outputs = _sum(batch, count)
        none_at[:] = [gradient is None for gradient in gradients]
        return objective, gradients[0], outputs

    expected, gradients, outputs = _compute(batch, 0)
    results = MODES[mode](run)(*batch)
    np.testing.assert_allclose(results[0], expected, rtol=1e-6)
    np.testing.assert_allclose(results[1], gradients[0], rtol=1e-5)
    np.testing.assert_allclose(results[2], outputs, rtol=1e-6)
    assert none_at == [False, True]


@pytest.mark.parametrize("has_outputs", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 5, 6])
def test_one_graph_takes_any_number_of_rows(rows, has_outputs):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None]),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, None]),
        ],
        autograph=False,
    )
    def run(*batch):
        objective, gradients, outputs = _sum(batch, 3, has_outputs)
        return objective, gradients[0], outputs

    batch = _batch(rows)
    expected, gradients, all_outputs = _compute(batch, 0)
    objective, gradient, outputs = run(*batch)
    np.testing.assert_allclose(objective, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, gradients[0], rtol=1e-5)
    if has_outputs:
        np.testing.assert_allclose(outputs, all_outputs, rtol=1e-6)
        assert outputs.shape == (rows, 4)
    else:
        assert outputs is None


def test_no_rows_need_no_graph():
    objective, (gradient, none), outputs = _sum(_batch(0), 3)
    assert objective == 0 and not np.any(gradient) and none is None
    assert outputs.shape == (0, 4)


def test_parts_are_numbered_and_keep_the_order_of_rows():
    """Rows of zeros stand at the end, where the last part has too few."""
    seen = []

    def compute(batch, index):
        seen.append((int(index), batch[0].numpy().tolist()))
        return tf.constant(0.0), [None], None

    rows = tf.range(1, 8)[:, None]
    sum_over_microbatches(compute, [rows], 3, VARIABLES[:1], False)
    assert seen == [
        (0, [[1], [2], [3]]),
        (1, [[4], [5], [6]]),
        (2, [[7], [0], [0]]),
    ]


def test_one_part_is_the_batch_itself():
    batch, seen = _batch(7), []

    def compute(parts, index):
        seen.append((parts, int(index)))
        return "objective", "gradients", "outputs"

    results = sum_over_microbatches(compute, batch, 1, [], True)
    assert results == ("objective", "gradients", "outputs")
    assert seen[0][0] is batch and seen[0][1] == 0


@pytest.mark.parametrize("rows, part", [(7, 4), (None, None)])
def test_known_shapes_stay_known_in_a_part(rows, part):
    """The length, by which the model is checked, among them."""
    shapes = []

    def compute(batch, index):
        shapes.extend(tuple(tensor.shape) for tensor in batch)
        return tf.constant(0.0), [], None

    @tf.function(
        input_signature=[tf.TensorSpec([rows, 4]), tf.TensorSpec([rows, 4, 2])],
        autograph=False,
    )
    def run(*batch):
        return sum_over_microbatches(compute, batch, 2, [], False)[0]

    run.get_concrete_function()
    assert shapes == [(part, 4), (part, 4, 2)]


def test_a_graph_has_the_parts_body_once():
    """Its size doesn't grow with the number of parts."""

    def operations(count):
        graph = tf.function(
            lambda *batch: _sum(batch, count)[0], autograph=False
        )
        graph = graph.get_concrete_function(*_batch(24)).graph.as_graph_def()
        inner = [len(part.node_def) for part in graph.library.function]
        return len(graph.node) + sum(inner)

    assert operations(12) == operations(2)
