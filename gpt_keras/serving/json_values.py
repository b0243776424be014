"""One value of a JSON request in, what its tensor's type makes of it out."""

import base64
import binascii
import json

import tensorflow as tf

from gpt_keras.serving.serving_errors import invalid

_MAX_QUOTED = 256  # characters of a wrong value in an error


def is_base64(value) -> bool:
    """Returns whether a value is `{"b64": "…"}`."""
    return (
        isinstance(value, dict)
        and len(value) == 1
        and isinstance(value.get("b64"), str)
    )


def _string(name, value, dtype):
    if is_base64(value):
        try:
            return base64.b64decode(_padded(value["b64"]), validate=True)
        except (binascii.Error, ValueError):
            raise invalid(
                f"`{name}` must have base64 under the key b64. "
                f"{received(value)}"
            ) from None
    if not isinstance(value, str):
        raise _type_error(name, value, dtype)
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        return _with_raw_bytes(name, value)


def _with_raw_bytes(name, value):
    """Returns bytes that were no UTF-8; other surrogates are refused."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise invalid(
            f"`{name}` must have surrogates in pairs. {received(value)}"
        ) from None


def _padded(text):
    return text + "=" * (-len(text) % 4)


def _integer(name, value, dtype):
    if type(value) is not int or not dtype.min <= value <= dtype.max:
        raise _type_error(name, value, dtype)
    return value


def _float(name, value, dtype):
    if type(value) not in (int, float):
        raise _type_error(name, value, dtype)
    try:
        return float(value)
    except OverflowError:
        raise _type_error(name, value, dtype) from None


def _boolean(name, value, dtype):
    if type(value) is not bool:
        raise _type_error(name, value, dtype)
    return value


CONVERSIONS = {
    tf.string: _string,
    tf.bool: _boolean,
    **dict.fromkeys((tf.float32, tf.float64), _float),
    **dict.fromkeys((tf.int8, tf.int16, tf.int32, tf.int64), _integer),
    **dict.fromkeys((tf.uint8, tf.uint32, tf.uint64), _integer),
}


def _type_error(name, value, dtype):
    return invalid(
        f"`{name}` must have values of type {dtype.name}. {received(value)}"
    )


def received(value) -> str:
    """Returns what an error says of a value."""
    return f"Received: {quoted(value)}"


def quoted(value) -> str:
    """Returns a value as JSON, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "lists, nested too deep"
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…"
