"""A trained model comes in, one with int8 weight matrices goes out.

Weights only: activations, biases and normalisations stay as they are. Keras'
own `quantize` would leave out the positions, read tied embeddings without
their scales, and make all matrices float at once.
"""

import keras
import numpy as np
import tensorflow as tf

from gpt_keras.layers.positional_encoding import token_positions
from gpt_keras.serving.int8_matrix import Int8Matrix


def quantized_copy(model, dtype: str | None = None):
    """Returns a copy of a model that computes with int8 matrices.

    It is called, steps and keeps its cache as the model does. It is there to
    be served: it can't be trained, nor saved by Keras.

    Args:
        model: A `GPTModel` that is built.
        dtype: A Keras dtype policy for computation, biases and
            normalisations; None for the model's own.

    Raises:
        ValueError: A weight is not finite.
    """
    config = model.get_config()
    if dtype is not None:
        config["dtype"] = dtype
    copy = type(model).from_config(config)
    layers = _replace_layers(copy)
    copy.build((None, copy.max_length))
    copy.trainable = False
    _fill(copy, [layer.matrix for layer in layers], model)
    return copy


def _replace_layers(model):
    """Replaces, and returns, what will have matrices once it is built.

    Keras still lists what is replaced; it has no weights and is not called.
    """
    layers = []

    def replace(parent, name, kind):
        setattr(parent, name, kind(getattr(parent, name)))
        layers.append(getattr(parent, name))

    replace(model, "embedding", _Int8Embedding)
    if model.position == "learned":
        replace(model, "positional_encoding", _Int8Positions)
    for block in model.blocks:
        replace(block.attention, "query_key_value", _Int8Dense)
        replace(block.attention, "output_projection", _Int8Dense)
        replace(block, "expand", _Int8Dense)
        replace(block, "contract", _Int8Dense)
    if model.tie_embeddings:
        # So that the model projects by the layer instead of the matrix.
        model.tie_embeddings = False
        model.final_layer = _TiedProjection(model.embedding)
    else:
        replace(model, "final_layer", _Int8Dense)
    return layers


def _fill(copy, matrices, model):
    """Gives a copy the weights of its model."""
    weights = {_place(weight, model): weight for weight in model.weights}
    quantized = {id(weight) for m in matrices for weight in m.weights}
    for matrix in matrices:
        values = np.asarray(weights.pop(_place(matrix, copy)), np.float32)
        matrix.assign(values.T if matrix.name == "kernel" else values)
    for weight in copy.weights:
        if id(weight) not in quantized:
            weight.assign(weights.pop(_place(weight, copy)))


def _place(part, model):
    return part.path.removeprefix(model.path)


class _Int8Dense(keras.layers.Layer):
    """A dense layer; the matrix has a row for each output feature."""

    def __init__(self, dense):
        super().__init__(name=dense.name, dtype=dense.dtype_policy)
        self.units = dense.units
        self.use_bias = dense.use_bias

    def build(self, input_shape):
        self.matrix = Int8Matrix(
            self.units, input_shape[-1], name="kernel", dtype=self.dtype_policy
        )
        self.matrix.build()
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,))

    def call(self, x):
        outputs = self.matrix.project(x)
        if self.use_bias:
            outputs = outputs + tf.cast(self.bias, tf.float32)
        return tf.cast(outputs, self.compute_dtype)


class _Int8Embedding(keras.layers.Layer):
    """An embedding; the matrix has a row for each token id."""

    def __init__(self, embedding):
        super().__init__(name=embedding.name, dtype=embedding.dtype_policy)
        self.matrix = Int8Matrix(
            embedding.input_dim,
            embedding.output_dim,
            name="embeddings",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        self.matrix.build()

    def call(self, x):
        return self.matrix.lookup(x)


class _Int8Positions(keras.layers.Layer):
    """Learned positions; the matrix has a row for each."""

    def __init__(self, encoding):
        super().__init__(name=encoding.name, dtype=encoding.dtype_policy)
        self.matrix = Int8Matrix(
            encoding.max_length,
            encoding.d_model,
            name="table",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        self.matrix.build()

    def call(self, x, start=None, document_starts=None):
        positions = token_positions(tf.shape(x)[1], start, document_starts)
        return x + self.matrix.lookup(positions)


class _TiedProjection(keras.layers.Layer):
    """A projection onto the vocabulary by the rows of the embedding."""

    def __init__(self, embedding):
        super().__init__(name="final_layer", dtype="float32", autocast=False)
        self.embedding = embedding

    def build(self, input_shape):
        pass

    def call(self, hidden):
        return self.embedding.matrix.project(hidden)
