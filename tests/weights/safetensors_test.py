"""Tests of `gpt_keras.weights.safetensors` and of its headers."""

import json

import ml_dtypes
import numpy as np
import pytest

from gpt_keras.weights.safetensors import SafetensorsFile
from gpt_keras.weights.safetensors import write_safetensors

ARRAYS = {
    "a": np.arange(6, dtype="float32").reshape(2, 3),
    "b": np.array([1.5, -2, np.inf], "float16"),
    "c": np.array([[0.1], [3e38]], ml_dtypes.bfloat16),
    "d": np.array(7, "float32"),
}


@pytest.fixture
def path(tmp_path):
    """A file with `ARRAYS`."""
    shapes = {name: (str(x.dtype), x.shape) for name, x in ARRAYS.items()}
    write_safetensors(tmp_path / "x.safetensors", shapes, ARRAYS.values())
    return tmp_path / "x.safetensors"


def _write(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = len(text) if length is None else length
    path.write_bytes(length.to_bytes(8, "little") + text + data)


def _entry(**fields):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return {"w": {**entry, **fields}}


def test_every_number_comes_back(path):
    file = SafetensorsFile(path)
    assert list(file.entries) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert file.shape(name) == array.shape
        np.testing.assert_array_equal(
            file.read(name), array.astype("float32"), strict=True
        )


def test_every_bfloat16_is_read_exactly(tmp_path):
    every = np.arange(1 << 16, dtype="uint16").view(ml_dtypes.bfloat16)
    every = every[np.isfinite(every.astype("float32"))]
    path = tmp_path / "x"
    write_safetensors(path, {"w": ("bfloat16", every.shape)}, [every])
    found = SafetensorsFile(path).read("w")
    np.testing.assert_array_equal(found, every.astype("float32"))


def test_the_data_begin_at_a_multiple_of_eight(path):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0 and content[8:9] == b"{"
    header = json.loads(content[8 : 8 + length])
    assert header["__metadata__"] == {"format": "pt"}
    assert header["b"]["data_offsets"] == [24, 30]


def test_cut_anywhere_it_is_refused(path):
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="x.safetensors"):
            SafetensorsFile(path)


def test_the_tensor_that_is_cut_is_named(path):
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="cut short.*tensor 'c'"):
        SafetensorsFile(path)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (_entry(shape=[3]), r"`data_offsets` of the tensor 'w' must be 12 b"),
        (_entry(dtype="F64"), "`data_offsets` of the tensor 'w' must be 16"),
        (_entry(dtype="F99"), "`dtype` of the tensor 'w'.*'F99'"),
        (_entry(dtype=["F32"]), "`dtype` of the tensor 'w'"),
        (_entry(shape=[-2]), "`shape` of the tensor 'w'"),
        (_entry(shape=[True, 2]), "`shape` of the tensor 'w'"),
        (_entry(shape="2"), "`shape` of the tensor 'w'"),
        (_entry(data_offsets=[0]), "`data_offsets` of the tensor 'w'"),
        (_entry(data_offsets=[8, 0]), "`data_offsets` of the tensor 'w'"),
        (_entry(data_offsets=[4, 12]), "where the one before it ends"),
        (_entry(more=1), "`fields` of the tensor 'w'"),
        ({"w": 3}, "`fields` of the tensor 'w'.*=3"),
        ({**_entry(), "v": _entry()["w"]}, "'v' must begin where the one bef"),
        ({}, "must end with its last tensor"),
        ([1], "must be a JSON object.*list"),
        (b"{nonsense", "must be JSON"),
        (b'{"w": 1, "w": 2}', "must be JSON.*a key comes twice"),
        (b"\xff\xfe", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, header, error):
    path = tmp_path / "x.safetensors"
    _write(path, header, b"\0" * 8)
    with pytest.raises(ValueError, match=error):
        SafetensorsFile(path)


@pytest.mark.parametrize("length", [0, 1, 1000, 2**63])
def test_a_length_that_lies_is_refused(tmp_path, length):
    path = tmp_path / "x.safetensors"
    _write(path, _entry(), b"\0" * 8, length)
    with pytest.raises(ValueError, match=f"header length {length}"):
        SafetensorsFile(path)


def test_whole_numbers_are_no_weights(tmp_path):
    path = tmp_path / "x.safetensors"
    _write(path, _entry(dtype="I32"), b"\0" * 8)
    with pytest.raises(ValueError, match="'w'.*dtype.*Received: I32"):
        SafetensorsFile(path).read("w")
