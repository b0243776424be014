"""Files of tensors in, arrays out by tensor or by some rows, and back."""

import math
import os
from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np

from gpt_keras.weights.assignment import row_slices
from gpt_keras.weights.safetensors_header import make_header
from gpt_keras.weights.safetensors_header import read_header

_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_NAMES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


class SafetensorsFile:
    """Reads a safetensors file, a tensor at a time, without mapping it.

    Args:
        path: The file. Its header is read and checked, the data are not.

    Raises:
        OSError: It can't be read.
        ValueError: It is cut short or its header lies.

    Reference:
        The safetensors format: 8 bytes of length, a JSON header, the data.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        with open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            self.entries = read_header(file, self.path, size)

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns the shape of a tensor."""
        return self.entries[name].shape

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor in float32, whatever the file has.

        Raises:
            ValueError: It is not float32, float16 or bfloat16.
        """
        values = np.empty(self.shape(name), np.float32)
        rows_of = values.reshape(1) if values.ndim == 0 else values
        for rows, block in self.read_blocks(name):
            rows_of[rows] = block
        return values

    def read_blocks(self, name: str) -> Iterator[tuple[slice, np.ndarray]]:
        """Yields a tensor in float32, some rows after others.

        Raises:
            ValueError: As `read`.
        """
        entry = self.entries[name]
        if entry.dtype not in _DTYPES:
            raise ValueError(
                f"The tensor {name!r} in {self.path!r} must have a dtype of "
                f"{[*_DTYPES]}. Received: {entry.dtype}"
            )
        shape = entry.shape or (1,)
        with open(self.path, "rb") as file:
            file.seek(entry.start)
            for rows in row_slices(shape, 4):
                there = (rows.stop - rows.start, *shape[1:])
                block = _read_block(file, entry.dtype, math.prod(there))
                yield rows, block.reshape(there)


def _read_block(file, name: str, count: int) -> np.ndarray:
    dtype = np.dtype(_DTYPES[name])
    block = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    if name == "BF16":  # the upper half of a float32
        return (block.astype("<u4") << 16).view("<f4")
    return block.astype("<f4", copy=False)


def write_safetensors(
    path: str | os.PathLike,
    shapes: dict[str, tuple[str, tuple[int, ...]]],
    arrays: Iterable[np.ndarray],
) -> None:
    """Writes a safetensors file, a tensor at a time.

    A write that fails leaves a part of it: write into a folder that only gets
    its name when it is whole.

    Args:
        path: The file.
        shapes: For each tensor its dtype, float32, float16 or bfloat16, and
            its shape.
        arrays: The tensors of these shapes in the same order; they may be
            made when they are asked for.

    Raises:
        OSError: The file can't be written.
    """
    names = {
        name: (_NAMES[dtype], shape) for name, (dtype, shape) in shapes.items()
    }
    with open(path, "wb") as file:
        file.write(make_header(names))
        for array in arrays:
            # bfloat16 has no buffer that Python knows.
            flat = np.ascontiguousarray(array).reshape(-1)
            file.write(flat.view(np.uint8).data)
        file.flush()
        os.fsync(file.fileno())
