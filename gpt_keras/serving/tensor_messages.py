"""Messages of tensors in, arrays that fit a signature out, and back again."""

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from gpt_keras.serving.serving_errors import invalid

# One value may stand for so many, as `tf.make_tensor_proto` writes them.
_MAX_REPEATED = 2**20


def read_tensors(protos) -> dict[str, np.ndarray]:
    """Turns `TensorProto`s by name into arrays.

    Raises:
        ServingError: `INVALID_ARGUMENT`, one is malformed.
    """
    arrays = {}
    for name, proto in protos.items():
        _check_size(name, proto)
        try:
            arrays[name] = tf.make_ndarray(proto)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise invalid(
                f"`{name}` must be a tensor whose values fit its shape and "
                f"type. Received: {error}"
            ) from None
    return arrays


def _check_size(name, proto):
    """Refuses a small message that stands for a large tensor."""
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if min(sizes, default=0) < 0 or proto.tensor_shape.unknown_rank:
        raise invalid(f"`{name}` must have a known shape. Received: {sizes}")
    count = math.prod(sizes)
    # ByteSize writes the whole message to measure it.
    if count > _MAX_REPEATED and count > proto.ByteSize():
        raise invalid(
            f"`{name}` must carry its values. Received: {proto.ByteSize()} "
            f"bytes for the shape {sizes}"
        )


def check_inputs(
    signature, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the inputs, defaults added, of a request that fits a signature.

    Args:
        signature: A `SignatureDef`.
        inputs: Arrays by name.

    Raises:
        ServingError: `INVALID_ARGUMENT`, an input is missing or unexpected,
            or has the wrong type or shape.
    """
    missing = set(signature.inputs) - set(inputs) - set(signature.defaults)
    extra = set(inputs) - set(signature.inputs)
    if missing or extra:
        raise invalid(
            "The request must have the inputs of the signature, "
            f"{sorted(signature.inputs)}. Received: {sorted(inputs)}. "
            f"Missing: {sorted(missing)}. Unexpected: {sorted(extra)}"
        )
    left_out = set(signature.inputs) - set(inputs)
    defaults = {name: signature.defaults[name] for name in left_out}
    complete = {**inputs, **read_tensors(defaults)}
    for name, info in signature.inputs.items():
        _check_array(name, info, complete[name])
    return complete


def _check_array(name, info, array):
    dtype = tf.as_dtype(info.dtype)
    came = tf.as_dtype(array.dtype)
    if came != dtype:
        raise invalid(
            f"`{name}` must be of type {dtype.name}. Received: {came.name}"
        )
    shape = tf.TensorShape(info.tensor_shape)
    if not shape.is_compatible_with(array.shape):
        wanted = str(shape.as_list()).replace("None", "any number")
        raise invalid(
            f"`{name}` must have the shape {wanted}. Received: "
            f"{list(array.shape)}"
        )


def write_tensor(array: np.ndarray, proto) -> None:
    """Writes an array into a `TensorProto`, value by value as TF Serving."""
    dtype = tf.as_dtype(array.dtype)
    proto.dtype = dtype.as_datatype_enum
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    field = _FIELDS.get(dtype)
    if field is None:
        proto.tensor_content = array.tobytes()
    else:
        getattr(proto, field).extend(array.ravel().tolist())


_FIELDS = {
    tf.string: "string_val",
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int64: "int64_val",
    tf.bool: "bool_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    **dict.fromkeys(
        (tf.int32, tf.int16, tf.int8, tf.uint8, tf.uint16), "int_val"
    ),
}
