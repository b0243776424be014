"""The first bytes of a safetensors file in, where each tensor lies out, every
claim checked against the file's size.
"""

import json
import math
from typing import Any
from typing import NamedTuple

_LARGEST = 100_000_000  # bytes of a header, the format's limit
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64,
}  # fmt: skip


class Entry(NamedTuple):
    """A tensor of a file.

    Attributes:
        dtype: The format's name of it, `F32` for example.
        shape: Its sizes.
        start: Its first byte in the file.
        stop: The byte behind its last.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def read_header(file, path: str, size: int) -> dict[str, Entry]:
    """Reads and checks the header of a safetensors file.

    Args:
        file: Binary, open at its start.
        path: For errors.
        size: The file's, in bytes.

    Returns:
        The tensors by name, in the order in which they lie in the file.

    Raises:
        ValueError: The file is cut short, or its header is not JSON or
            contradicts itself or the file. Names the tensor and the field.
    """
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or not 2 <= length <= min(size - 8, _LARGEST):
        raise ValueError(
            f"{path!r} is no whole safetensors file: the length of its header "
            f"must be 2 to {max(min(size - 8, _LARGEST), 2)} bytes. Received: "
            f"header length {length}, file size {size}"
        )
    start = 8 + length
    entries = {
        name: _entry(path, name, fields, start)
        for name, fields in _parse(path, file.read(length)).items()
        if name != "__metadata__"
    }
    entries = dict(sorted(entries.items(), key=lambda x: x[1].start))
    _check_cover(path, entries, start, size)
    return entries


def make_header(shapes: dict[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """Makes a header, its length included.

    Args:
        shapes: For each tensor the format's name of its dtype and its shape,
            in the order in which they will lie in the file.
    """
    # transformers wants to know who wrote: `pt` is PyTorch's layout.
    content: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (dtype, shape) in shapes.items():
        stop = offset + num_bytes(dtype, shape)
        content[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [offset, stop],
        }
        offset = stop
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text


def num_bytes(dtype: str, shape) -> int:
    """Returns the bytes of a tensor."""
    return _BITS[dtype] // 8 * math.prod(shape)


def _parse(path: str, text: bytes) -> dict[str, Any]:
    def without_repeats(pairs):
        content = dict(pairs)
        if len(content) < len(pairs):
            raise ValueError("a key comes twice")
        return content

    try:
        content = json.loads(
            text.decode("utf-8"), object_pairs_hook=without_repeats
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"The header of {path!r} must be JSON. Received: {error}"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"The header of {path!r} must be a JSON object. Received: "
            f"{type(content).__name__}"
        )
    return content


def _entry(path: str, name: str, fields, start: int) -> Entry:
    def check(holds, field, rule):
        if not holds:
            value = fields.get(field) if isinstance(fields, dict) else fields
            raise ValueError(
                f"The header of {path!r} is wrong: `{field}` of the tensor "
                f"{name!r} must be {rule}. Received: {field}={value!r}"
            )

    names = {"dtype", "shape", "data_offsets"}
    whole = isinstance(fields, dict) and fields.keys() == names
    check(whole, "fields", "dtype, shape and data_offsets")
    dtype, shape, offsets = (
        fields["dtype"],
        fields["shape"],
        fields["data_offsets"],
    )
    check(isinstance(dtype, str) and dtype in _BITS, "dtype", f"of {[*_BITS]}")
    check(_are_sizes(shape), "shape", "a list of sizes")
    check(_are_sizes(offsets), "data_offsets", "two offsets")
    check(len(offsets) == 2, "data_offsets", "two offsets")
    expected = num_bytes(dtype, shape)
    check(
        offsets[1] - offsets[0] == expected,
        "data_offsets",
        f"{expected} bytes apart, as dtype {dtype} and shape {shape} want",
    )
    return Entry(dtype, tuple(shape), start + offsets[0], start + offsets[1])


def _are_sizes(values) -> bool:
    return isinstance(values, list) and all(
        type(value) is int and value >= 0 for value in values
    )


def _check_cover(path: str, entries, start: int, size: int) -> None:
    """Checks that the tensors lie end to end and fill the file."""
    for name, entry in entries.items():
        if entry.start != start:
            raise ValueError(
                f"The header of {path!r} is wrong: `data_offsets` of the "
                f"tensor {name!r} must begin where the one before it ends, at "
                f"byte {start}. Received: byte {entry.start}"
            )
        if entry.stop > size:
            raise ValueError(
                f"{path!r} is cut short: `data_offsets` of the tensor "
                f"{name!r} end at byte {entry.stop}. Received: a file of "
                f"{size} bytes"
            )
        start = entry.stop
    if start != size:
        raise ValueError(
            f"{path!r} must end with its last tensor, at byte {start}. "
            f"Received: a file of {size} bytes"
        )
