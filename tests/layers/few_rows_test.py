"""Tests of `gpt_keras.layers.few_rows`."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.layers.blockwise_attention import attend
from gpt_keras.layers.blockwise_attention import attend_once
from gpt_keras.layers.dynamic_steps import dynamic_steps
from gpt_keras.layers.few_rows import few_rows_product
from gpt_keras.layers.few_rows import is_one_token
from gpt_keras.layers.few_rows import table_product
from gpt_keras.layers.flat_product import flat_product

RNG = np.random.default_rng(0)


def _ops(function, *arguments):
    graph = tf.function(function, autograph=False)
    nodes = graph.get_concrete_function(*arguments).graph.as_graph_def().node
    return {node.op for node in nodes}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("leading", [(), (2, 3)])
def test_it_is_the_product(leading, dtype, turned):
    x = tf.cast(RNG.normal(size=(*leading, 2, 5)), dtype)
    y = tf.cast(RNG.normal(size=(*leading, 5, 4)), dtype)
    expected = tf.matmul(x, y)
    if turned:
        y = tf.linalg.matrix_transpose(y)
    product = few_rows_product(x, y, turned=turned)
    np.testing.assert_allclose(product, expected, rtol=1e-5, atol=1e-6)


def test_only_one_token_takes_the_way_of_few_rows():
    kernel = tf.zeros((5, 4))
    one, two = tf.zeros((3, 1, 5)), tf.zeros((3, 2, 5))
    assert is_one_token(one) and not is_one_token(two)
    assert "BatchMatMulV3" in _ops(lambda x: flat_product(x, kernel), one)
    assert "BatchMatMulV3" not in _ops(lambda x: flat_product(x, kernel), two)


def test_one_query_gathers_as_the_last_of_many():
    query, key, value = RNG.normal(size=(3, 2, 3, 7, 4)).astype("float32")
    visible = np.tri(7, dtype=bool)[None, None]
    visible = np.repeat(visible, 2, 0)
    visible[1, :, :, 2] = False
    expected = attend(query, key, value, visible)[:, :, -1:]
    once = attend_once(query[:, :, -1:], key, value, visible[:, :, -1:])
    np.testing.assert_allclose(once, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_table_gives_the_same_however_it_is_multiplied(dtype, rows):
    x = tf.cast(RNG.normal(size=(rows, 5)), dtype)
    table = tf.cast(RNG.normal(size=(40, 5)), dtype)

    @tf.function(autograph=False)
    def dynamic(x):
        with dynamic_steps():
            return table_product(x, table)

    expected = table_product(x, table)
    assert expected.shape == (rows, 40)
    np.testing.assert_allclose(
        expected,
        tf.matmul(x, table, transpose_b=True),
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_allclose(dynamic(x), expected, rtol=1e-5, atol=1e-6)


def test_a_table_is_multiplied_in_one_way_outside_of_dynamic_steps():
    x, table = tf.zeros((3, 5)), tf.zeros((40, 5))
    ops = _ops(lambda x: table_product(x, table), x)
    assert not ops & {"If", "StatelessIf"}
