"""Arrays in, a model's variables with their values out, in little memory."""

import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
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
    if not all(np.isfinite(block).all() for _, block in blocks_of(value)):
        raise ValueError(
            f"The tensor {name!r} in {where!r} must be finite. Received: NaN "
            "or infinity."
        )


def assign_all(
    variables: Mapping,
    read: Callable[[str], Iterable[tuple[slice, np.ndarray]]],
    where: str,
) -> None:
    """Gives each variable its value, some rows after others.

    Args:
        variables: Keras variables by name.
        read: Takes a name and yields rows and what stands there, as
            `blocks_of` does; all together have the variable's shape.
        where: Where they come from, for errors.

    Raises:
        ValueError: Names the tensor that isn't finite.
    """
    for name, variable in variables.items():
        for rows, block in read(name):
            check_finite(name, block, where)
            _assign(variable, rows, block)


def blocks_of(value: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields slices of rows, and the rows themselves."""
    for rows in row_slices(value.shape, value.itemsize):
        yield rows, value[rows]


def row_slices(shape, itemsize: int) -> Iterator[slice]:
    """Yields slices of an array's rows that take little memory each."""
    row_bytes = itemsize * math.prod(shape[1:])
    step = max(1, _BLOCK_BYTES // max(row_bytes, 1))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _assign(variable, rows: slice, block: np.ndarray) -> None:
    if keras.backend.backend() != "tensorflow":
        value = np.array(variable)
        value[rows] = block
        variable.assign(value)
        return
    import tensorflow as tf

    inner = variable.value
    # A MirroredVariable has one on each device.
    for part in getattr(inner, "values", [inner]):
        # Not part[rows].assign: it reads the variable, then copies it.
        tf.raw_ops.ResourceStridedSliceAssign(
            ref=part.handle,
            begin=[rows.start],
            end=[rows.stop],
            strides=[1],
            value=tf.cast(block, part.dtype),
        )


def _some(names) -> str:
    """Lists names, at most ten of them."""
    names = sorted(names)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(names[:10]) or "none") + more
