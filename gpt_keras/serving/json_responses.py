"""Arrays by name in, the JSON that TF Serving writes of them out."""

import base64
import json
import math
from collections.abc import Mapping

import numpy as np

from gpt_keras.serving.serving_errors import invalid

# An output whose name ends so is written as base64.
BYTES_SUFFIX = "_bytes"
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def write_predictions(outputs: Mapping[str, np.ndarray]) -> bytes:
    """Writes outputs by rows: `{"predictions": […]}`.

    Args:
        outputs: Arrays with the same number of rows. Where there is only
            one, its rows stand alone; else each row is an object.

    Raises:
        ServingError: `INVALID_ARGUMENT`, JSON can't hold an output, or the
            outputs differ in their number of rows.
    """
    sizes = {name: _num_rows(name, array) for name, array in outputs.items()}
    if len(set(sizes.values())) > 1:
        raise invalid(
            "The outputs must have the same number of rows to be written as "
            f"`predictions`; ask with `inputs` instead. Received: {sizes}"
        )
    columns = {name: _tokens(n, a, 1) for name, (n, a) in _named(outputs)}
    if len(columns) == 1:
        ((_, rows),) = columns.items()
    else:
        keys = [_ENCODER.encode(name) for name in columns]
        rows = [
            _object(zip(keys, row, strict=True))
            for row in zip(*columns.values(), strict=True)
        ]
    return _body("predictions", _list(rows))


def write_outputs(outputs: Mapping[str, np.ndarray]) -> bytes:
    """Writes outputs by columns: `{"outputs": …}`.

    Args:
        outputs: Arrays. Where there is only one, it stands alone.

    Raises:
        ServingError: `INVALID_ARGUMENT`, JSON can't hold an output.
    """
    columns = {name: _tokens(n, a, 0)[0] for name, (n, a) in _named(outputs)}
    if len(columns) == 1:
        ((_, value),) = columns.items()
    else:
        value = _object(
            (_ENCODER.encode(name), text) for name, text in columns.items()
        )
    return _body("outputs", value)


def write_error(message: str) -> bytes:
    """Writes `{"error": message}`."""
    message = message.encode("utf-8", "replace").decode("utf-8")
    return _body("error", _ENCODER.encode(message))


def _named(outputs):
    return [(name, (name, array)) for name, array in sorted(outputs.items())]


def _num_rows(name, array):
    if array.ndim == 0:
        raise invalid(
            "Every output must have rows to be written as `predictions`; ask "
            f"with `inputs` instead. Received: a scalar, {name!r}"
        )
    return len(array)


def _tokens(name, array, num_outer):
    """Returns an array as JSON, a text for each index of the outer axes."""
    texts = _scalars(name, array)
    for axis in reversed(range(num_outer, array.ndim)):
        size = array.shape[axis]
        count = math.prod(array.shape[:axis])
        texts = [_list(texts[i * size : (i + 1) * size]) for i in range(count)]
    return texts


def _scalars(name, array):
    kind = array.dtype.kind
    values = array.ravel().tolist()
    if array.dtype == np.float32 or array.dtype == np.float64:
        return _decimals(values, array.dtype)
    if kind in "iu":
        return [str(value) for value in values]
    if kind == "b":
        return ["true" if value else "false" for value in values]
    if kind == "O":
        if name.endswith(BYTES_SUFFIX):
            return [_base64(value) for value in values]
        return [_string(value) for value in values]
    raise invalid(f"JSON can't hold {name!r} of type {array.dtype}.")


def _decimals(values, dtype):
    """Returns numbers with six digits, or with all where six aren't exact."""
    texts = [f"{value:.6g}" for value in values]
    read = np.array([float(text) for text in texts]).astype(dtype)
    digits = 9 if dtype == np.float32 else 17
    return [
        _decimal(value, text if same else f"{value:.{digits}g}")
        for value, text, same in zip(
            values, texts, (read == values).tolist(), strict=True
        )
    ]


def _decimal(value, text):
    if not math.isfinite(value):
        if math.isnan(value):
            return "NaN"
        return "Infinity" if value > 0 else "-Infinity"
    return text if "." in text or "e" in text else f"{text}.0"


def _base64(value):
    return '{"b64": "' + base64.b64encode(value).decode("ascii") + '"}'


def _string(value):
    return _ENCODER.encode(value.decode("utf-8", "surrogateescape"))


def _list(texts):
    return "[" + ", ".join(texts) + "]"


def _object(items):
    return "{" + ", ".join(f"{key}: {text}" for key, text in items) + "}"


def _body(key, text):
    body = f'{{\n    "{key}": {text}\n}}\n'
    return body.encode("utf-8", "surrogateescape")
