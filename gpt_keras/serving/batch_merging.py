"""The inputs of several requests in, those of one batch out, and the batch's
outputs back again by request.
"""

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError
from gpt_keras.serving.serving_errors import invalid


def count_rows(inputs: Mapping[str, np.ndarray]) -> int:
    """Returns the number of rows of a request.

    Raises:
        ServingError: `INVALID_ARGUMENT`, an input has no rows, or another
            number of them.
    """
    scalars = sorted(name for name, x in inputs.items() if x.ndim == 0)
    if scalars:
        raise invalid(
            "Every input must have rows to be batched. Received: scalars, "
            f"{scalars}"
        )
    sizes = {name: len(array) for name, array in inputs.items()}
    if len(set(sizes.values())) > 1:
        raise invalid(
            "Every input must have the same number of rows. Received: "
            f"{dict(sorted(sizes.items()))}"
        )
    return next(iter(sizes.values()), 0)


def merge(
    requests: Sequence[Mapping[str, np.ndarray]], num_rows: int
) -> dict[str, np.ndarray]:
    """Puts the rows of requests into one batch.

    Args:
        requests: The inputs of each, of the same names, types and ranks.
            Where sizes differ, an array is filled up with its first value.
        num_rows: Of the batch; what the requests lack of it are copies of
            the first row.
    """
    return {
        name: _fill_rows(
            _concatenate([inputs[name] for inputs in requests]), num_rows
        )
        for name in requests[0]
    }


def split(
    outputs: Mapping[str, np.ndarray], sizes: Sequence[int], num_rows: int
) -> list[dict[str, np.ndarray]]:
    """Gives each request its rows of a batch.

    Args:
        outputs: Of the batch.
        sizes: The number of rows of each request.
        num_rows: Of the batch.

    Raises:
        ServingError: `FAILED_PRECONDITION`, an output has another number of
            rows.
    """
    wrong = sorted(
        name
        for name, array in outputs.items()
        if array.ndim == 0 or len(array) != num_rows
    )
    if wrong:
        raise ServingError(
            Code.FAILED_PRECONDITION,
            "A signature must give as many rows as it takes to be batched. "
            f"Its outputs {wrong} don't.",
        )
    ends = np.cumsum(sizes)
    return [
        {name: array[end - size : end] for name, array in outputs.items()}
        for size, end in zip(sizes, ends.tolist(), strict=True)
    ]


def join(
    parts: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Returns the outputs of a request that several batches answered.

    Raises:
        ServingError: `FAILED_PRECONDITION`, their shapes differ.
    """
    for name, first in parts[0].items():
        if any(part[name].shape[1:] != first.shape[1:] for part in parts):
            raise ServingError(
                Code.FAILED_PRECONDITION,
                "A request that is split must have outputs of the same shape "
                f"in each batch. {name!r} has not.",
            )
    return {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }


def _concatenate(arrays):
    if len(arrays) == 1:
        return arrays[0]
    inner = np.max([array.shape[1:] for array in arrays], axis=0)
    shape = tuple(inner.astype(int).tolist())
    return np.concatenate([_pad(array, shape) for array in arrays])


def _pad(array, shape):
    """Returns rows of `shape`, filled up with the array's first value."""
    if array.shape[1:] == shape:
        return array
    padded = np.full((len(array), *shape), array.flat[0], array.dtype)
    padded[tuple(map(slice, array.shape))] = array
    return padded


def _fill_rows(array, num_rows):
    missing = num_rows - len(array)
    if missing <= 0:
        return array
    return np.concatenate([array, np.repeat(array[:1], missing, axis=0)])
