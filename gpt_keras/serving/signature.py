"""A function from named tensors to named tensors comes in, a graph that a
server calls goes out.

The rows of a batch come first in every input and none is optional.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class Signature(NamedTuple):
    """A function from named tensors to a dictionary of tensors."""

    function: Callable
    inputs: tuple[tf.TensorSpec, ...]

    def trace(self):
        """Returns the function as a graph, rows checked and counted."""
        names = [spec.name for spec in self.inputs]

        def call(*tensors):
            inputs, batch_size = _checked(
                dict(zip(names, tensors, strict=True))
            )
            outputs = self.function(**inputs)
            return {name: out[:batch_size] for name, out in outputs.items()}

        function = tf.function(call, autograph=False)
        return function.get_concrete_function(*self.inputs)


def strings(name: str) -> tf.TensorSpec:
    """Returns the spec of an input of one string in each row."""
    return tf.TensorSpec([None], tf.string, name)


def _checked(inputs):
    """Returns inputs of at least one row, and how many rows there were."""
    first = next(iter(inputs))
    batch_size = tf.shape(inputs[first])[0]
    checks = [
        tf.debugging.assert_equal(
            tf.shape(tensor)[0],
            batch_size,
            message=f"`{name}` must have one value for each of `{first}`.",
        )
        for name, tensor in inputs.items()
    ]
    with tf.control_dependencies([check for check in checks if check]):
        missing = tf.cast(batch_size == 0, tf.int32)
        padded = {
            name: _with_empty_rows(tensor, missing)
            for name, tensor in inputs.items()
        }
    return padded, batch_size


def _with_empty_rows(tensor, count):
    shape = tf.concat([[count], tf.shape(tensor)[1:]], 0)
    return tf.concat([tensor, tf.zeros(shape, tensor.dtype)], 0)
