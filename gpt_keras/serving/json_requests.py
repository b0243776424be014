"""A JSON body and a signature's inputs in, arrays by name out.

The rules are those of TF Serving's util/json_tensor.cc.
"""

import json
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gpt_keras.serving.json_values import CONVERSIONS
from gpt_keras.serving.json_values import is_base64
from gpt_keras.serving.json_values import quoted
from gpt_keras.serving.json_values import received
from gpt_keras.serving.serving_errors import invalid

_DECODER = json.JSONDecoder()
_WHITE_SPACE = " \t\r\n"


class JsonRequest(NamedTuple):
    """The body of a prediction.

    Attributes:
        signature_name: Empty for the default.
        values: What stood beside `instances` or `inputs`.
        by_rows: Whether it was `instances`.
    """

    signature_name: str
    values: Any
    by_rows: bool


def read_request(body: bytes) -> JsonRequest:
    """Reads the body of a prediction.

    Args:
        body: JSON. What follows the object is passed over; bytes that aren't
            UTF-8 stay what they are.

    Raises:
        ServingError: `INVALID_ARGUMENT`, the body is no such object.
    """
    request = _parse(body)
    if not isinstance(request, dict):
        raise invalid(f"The body must be a JSON object. {received(request)}")
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f"`signature_name` must be a string. {received(name)}")
    keys = [key for key in ("instances", "inputs") if key in request]
    if len(keys) != 1:
        raise invalid(
            "The body must have one of the keys `instances` and `inputs`. "
            f"Received: {sorted(request)}"
        )
    (key,) = keys
    values, by_rows = request[key], key == "instances"
    if by_rows and not (isinstance(values, list) and values):
        raise invalid(
            "`instances` must be a list of at least one row. "
            f"{received(values)}"
        )
    return JsonRequest(name, values, by_rows)


def to_arrays(
    request: JsonRequest, infos: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Turns the values of a request into arrays.

    Args:
        request: From `read_request`.
        infos: The signature's inputs, `TensorInfo` by name.

    Raises:
        ServingError: `INVALID_ARGUMENT`, a value does not fit.
    """
    columns = _columns(request, infos)
    try:
        return {
            name: _array(name, values, tf.as_dtype(infos[name].dtype))
            for name, values in columns.items()
        }
    except RecursionError:
        raise invalid("The lists are nested too deep.") from None


def _parse(body):
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("utf-8-sig", "surrogateescape")
    start = len(text) - len(text.lstrip(_WHITE_SPACE))
    try:
        return _DECODER.raw_decode(text, start)[0]
    except RecursionError:
        raise invalid("JSON parse error: nested too deep") from None
    except ValueError as error:
        raise invalid(f"JSON parse error: {error}") from None


def _columns(request, infos):
    """Returns the values of each input, without their form checked."""
    values = request.values
    if request.by_rows:
        return _columns_of_rows(values, infos)
    if not isinstance(values, dict) or is_base64(values):
        return {_only_name(infos, "inputs"): values}
    missing = [name for name in infos if name not in values]
    if missing:
        raise invalid(
            f"`inputs` must have every input of the signature. {_names(infos)}"
            f", without {missing}"
        )
    unexpected = sorted(set(values) - set(infos))
    if unexpected:
        raise invalid(
            "`inputs` must have only inputs of the signature. "
            f"{_names(infos)}, and {unexpected}"
        )
    return {name: values[name] for name in infos}


def _columns_of_rows(rows, infos):
    are_objects = [isinstance(x, dict) and not is_base64(x) for x in rows]
    if not any(are_objects):
        return {_only_name(infos, "instances"): rows}
    for index, (row, is_object) in enumerate(
        zip(rows, are_objects, strict=True)
    ):
        if not is_object or set(row) != set(infos):
            came = sorted(row) if is_object else quoted(row)
            raise invalid(
                "Each of the `instances` must be an object with the inputs of "
                f"the signature as its keys, {sorted(infos)}. Received: "
                f"{came} at index {index}"
            )
    return {name: [row[name] for row in rows] for name in infos}


def _only_name(infos, key):
    if len(infos) != 1:
        raise invalid(
            f"`{key}` must name the inputs where a signature has several, "
            f"{sorted(infos)}. Received: a list"
        )
    return next(iter(infos))


def _array(name, values, dtype):
    shape = _shape(values)
    leaves = []
    _flatten(values, shape, 0, name, leaves)
    convert = CONVERSIONS.get(dtype)
    if convert is None:
        raise invalid(f"JSON can't hold `{name}` of type {dtype.name}.")
    made = [convert(name, leaf, dtype) for leaf in leaves]
    array = np.empty(len(made), dtype.as_numpy_dtype)
    array[:] = made
    return array.reshape(shape)


def _shape(values):
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0] if values else None
    return shape


def _flatten(values, shape, level, name, leaves):
    """Adds the leaves of nested lists whose sizes must be `shape`."""
    if level == len(shape):
        if isinstance(values, list):
            raise invalid(
                f"`{name}` must have the same shape in every row. Received: a "
                f"list at level {level + 1}, where another row has a value"
            )
        leaves.append(values)
        return
    if not isinstance(values, list) or len(values) != shape[level]:
        came = len(values) if isinstance(values, list) else quoted(values)
        raise invalid(
            f"`{name}` must have the same shape in every row, {shape[level]} "
            f"values at level {level + 1}. Received: {came}"
        )
    for value in values:
        _flatten(value, shape, level + 1, name, leaves)


def _names(infos):
    return f"Received: a request to {sorted(infos)}"
