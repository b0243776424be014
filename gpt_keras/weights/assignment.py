"""Arrays in, a model's variables with their values out, in little memory."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping

import keras
import numpy as np

_BLOCK_BYTES = 16 << 20


def check_names(
    expected: Iterable[str], found: Iterable[str], where: str
) -> None:
    """Checks that the tensors that a model needs are there, and no others.

    Raises:
        ValueError: Names what is missing and what is too much.
    """
    expected, found = set(expected), set(found)
    if expected != found:
        raise ValueError(
            f"{where!r} must have the tensors of its configuration. "
            f"Missing: {_some(expected - found)}. "
            f"Additional: {_some(found - expected)}."
        )


def check_shape(name: str, found, expected, where: str) -> None:
    """Raises ValueError for a tensor of another shape than its variable."""
    if tuple(found) != tuple(expected):
        raise ValueError(
            f"The tensor {name!r} in {where!r} must have the shape "
            f"{tuple(expected)} of its configuration. Received: {tuple(found)}"
        )


def check_finite(name: str, value, where: str) -> None:
    """Raises ValueError for a tensor that holds NaN or infinity."""
    if not all(np.isfinite(block).all() for _, block in _blocks(value)):
        raise ValueError(
            f"The tensor {name!r} in {where!r} must be finite. Received: NaN "
            "or infinity."
        )


def assign_all(
    variables: Mapping, read: Callable[[str], np.ndarray], where: str
) -> None:
    """Gives each variable its value, one after another.

    Args:
        variables: Keras variables by name.
        read: Takes a name and gives the array, of the variable's shape.
        where: Where they come from, for errors.

    Raises:
        ValueError: Names the tensor that has another shape or isn't finite.
    """
    for name, variable in variables.items():
        value = read(name)
        check_shape(name, value.shape, variable.shape, where)
        check_finite(name, value, where)
        _assign(variable, value)
        del value  # or two would be there when the next one is read


def _assign(variable, value) -> None:
    """Assigns in blocks: TensorFlow would copy the whole array before."""
    if keras.backend.backend() != "tensorflow":
        variable.assign(value)
        return
    import tensorflow as tf

    inner = variable.value
    # A MirroredVariable has one on each device.
    for part in getattr(inner, "values", [inner]):
        for rows, block in _blocks(value):
            part[rows].assign(tf.cast(block, part.dtype))


def _blocks(value):
    """Yields slices of rows and the rows themselves."""
    row_bytes = value.nbytes // max(len(value), 1)
    step = max(1, _BLOCK_BYTES // max(row_bytes, 1))
    for start in range(0, len(value), step):
        rows = slice(start, min(start + step, len(value)))
        yield rows, value[rows]


def _some(names) -> str:
    """Lists names, at most ten of them."""
    names = sorted(names)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(names[:10]) or "none") + more
