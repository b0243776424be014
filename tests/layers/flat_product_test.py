"""Tests of the product of states and a matrix."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.layers.flat_product import flat_product
from gpt_keras.layers.flat_product import leading_shape

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(size=(3, 5)).astype("float32")
BIAS = RANDOM.normal(size=5).astype("float32")


@pytest.mark.parametrize("shape", [(4,), (2, 4), (1, 4), (2, 3, 4)])
@pytest.mark.parametrize("bias", [None, BIAS])
def test_it_is_the_product_over_the_last_axis(shape, bias):
    x = RANDOM.normal(size=(*shape, 3)).astype("float32")
    expected = np.tensordot(x, KERNEL, 1) + (0 if bias is None else bias)
    found = flat_product(tf.constant(x), tf.constant(KERNEL), bias)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("known", [(2, 4), (None, 4), (2, None), (None, None)])
def test_in_a_graph_of_any_shape(known):
    x = RANDOM.normal(size=(2, 4, 3)).astype("float32")
    spec = tf.TensorSpec([*known, 3])
    product = tf.function(
        lambda x: flat_product(x, tf.constant(KERNEL)),
        input_signature=[spec],
        autograph=False,
    )
    found = product(x)
    np.testing.assert_allclose(found, x @ KERNEL, rtol=1e-5, atol=1e-6)
    graph = product.get_concrete_function().graph
    shapes = [op for op in graph.get_operations() if op.type == "Shape"]
    assert bool(shapes) == (known == (None, None))


def test_one_size_that_is_unknown_costs_nothing():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 7, 3])
        assert leading_shape(x) == (-1, 7)
        x = tf.compat.v1.placeholder(tf.float32, [2, 7, 3])
        assert leading_shape(x) == (2, 7)
