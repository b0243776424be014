"""Generation settings as a user gives them come in, checked arrays go out.

Every setting becomes one value for each row of the batch, so that rows with
different settings share a batch and a changed value never retraces a graph.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

OVERFLOWS = ("stop", "roll")  # the index is the code in the graph


class GenerationSettings(NamedTuple):
    """How to generate, each a tensor or array of shape `(batch,)`.

    Attributes:
        max_new_tokens: int32, the most tokens a row gets.
        temperature: float32, divides the logits; 0 takes the likeliest token.
        top_k: int32, draw among the k likeliest tokens; 0 is off.
        top_p: float32, draw among the fewest tokens that together have
            probability p; 1 is off.
        seed: int64, of the row's random numbers. A row draws the same tokens
            in any batch.
        overflow: int32 index into `OVERFLOWS`: what happens when prompt and
            completion fill the model's `max_length`. `"stop"` ends the row,
            `"roll"` goes on with the newer half of its tokens.
    """

    max_new_tokens: Any
    temperature: Any
    top_k: Any
    top_p: Any
    seed: Any
    overflow: Any


class Setting(NamedTuple):
    """What one setting may be."""

    dtype: tf.DType
    default: Any
    is_valid: Callable[[np.ndarray], np.ndarray]
    rule: str


SETTINGS = {
    "max_new_tokens": Setting(
        tf.int32, 100, lambda x: (x >= 0) & (x < 2**31), "from 0 to 2**31 - 1"
    ),
    "temperature": Setting(
        tf.float32, 1.0, lambda x: np.isfinite(x) & (x >= 0), "finite and >= 0"
    ),
    "top_k": Setting(
        tf.int32, 0, lambda x: (x >= 0) & (x < 2**31), "from 0 to 2**31 - 1"
    ),
    "top_p": Setting(
        tf.float32, 1.0, lambda x: (x > 0) & (x <= 1), "in (0, 1]"
    ),
    "seed": Setting(
        tf.int64,
        0,
        lambda x: (x >= -(2**63)) & (x < 2**63),
        "from -2**63 to 2**63 - 1",
    ),
    "overflow": Setting(
        tf.int32, "stop", lambda x: np.isin(x, OVERFLOWS), f"one of {OVERFLOWS}"
    ),
}

SETTINGS_SPEC = GenerationSettings(
    **{
        name: tf.TensorSpec([None], setting.dtype, name)
        for name, setting in SETTINGS.items()
    }
)


def make_settings(batch_size: int, **values) -> GenerationSettings:
    """Checks settings and spreads them over the rows of a batch.

    Args:
        batch_size: The number of rows.
        **values: Fields of `GenerationSettings`, each one value for all rows
            or a sequence with one for each row; `overflow` by its name. What
            is not given takes its default from `SETTINGS`.

    Returns:
        `GenerationSettings` of NumPy arrays, each `(batch_size,)`.

    Raises:
        ValueError: A setting is unknown, breaks its rule, or has another
            number of values than there are rows.

    Example:

    >>> make_settings(2, temperature=[0.0, 0.8]).temperature
    array([0. , 0.8], dtype=float32)
    """
    unknown = sorted(set(values) - set(SETTINGS))
    if unknown:
        raise ValueError(
            f"A setting must be one of {list(SETTINGS)}. Received: {unknown}"
        )
    return GenerationSettings(
        **{
            name: _per_row(name, values.get(name, setting.default), batch_size)
            for name, setting in SETTINGS.items()
        }
    )


def _per_row(name: str, value, batch_size: int) -> np.ndarray:
    setting = SETTINGS[name]
    array = np.asarray(value)
    if array.shape not in ((), (batch_size,)):
        raise ValueError(
            f"`{name}` must be one value, or one for each of the {batch_size} "
            f"prompts. Received: shape={array.shape}"
        )
    if not _has_kind(array, setting) or not np.all(setting.is_valid(array)):
        raise ValueError(
            f"`{name}` must be {_KINDS[_kind(setting)]} {setting.rule}. "
            f"Received: {name}={value!r}"
        )
    if name == "overflow":
        array = np.vectorize(OVERFLOWS.index, otypes=[int])(array)
    array = array.astype(setting.dtype.as_numpy_dtype)
    return np.broadcast_to(array, (batch_size,)).copy()


# The kinds of NumPy dtypes that fit, by the type of the default.
_KINDS = {int: "an integer", float: "a number", str: "a name,"}
_DTYPE_KINDS = {int: "iu", float: "iuf", str: "U"}


def _kind(setting: Setting) -> type:
    return type(setting.default)


def _has_kind(array: np.ndarray, setting: Setting) -> bool:
    return array.size == 0 or array.dtype.kind in _DTYPE_KINDS[_kind(setting)]
