"""A Hugging Face folder in, its tensors by their plain names out."""

import pathlib
import re
from collections.abc import Iterator

import numpy as np

from gpt_keras.weights.assignment import blocks_of
from gpt_keras.weights.configuration import Configuration
from gpt_keras.weights.names import EMBEDDING
from gpt_keras.weights.names import HEAD
from gpt_keras.weights.safetensors import SafetensorsFile

WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PICKLE = "pytorch_model*.bin*"
_PREFIX = "transformer."
# The causal mask, which some versions wrote beside the weights.
_BUFFER = re.compile(r"h\.\d+\.attn\.(masked_)?bias")


class HuggingFaceTensors:
    """The tensors of one safetensors file, or of several with an index.

    Names are without the prefix `transformer.`, and masks are left out.

    Args:
        folder: The folder.

    Raises:
        FileNotFoundError: It has no safetensors file, or not all of them.
        ValueError: A file is damaged, or a tensor is there twice.
    """

    def __init__(self, folder):
        self.where = str(folder)
        self._found = {}
        for file, names in _files(pathlib.Path(folder)):
            for name in names:
                plain = name.removeprefix(_PREFIX)
                if _BUFFER.fullmatch(plain):
                    continue
                if plain in self._found:
                    raise ValueError(
                        f"The tensor {plain!r} must be in {self.where!r} once. "
                        "Received: with and without the prefix "
                        f"{_PREFIX!r}, or in two files."
                    )
                self._found[plain] = file, name

    @property
    def names(self) -> set[str]:
        """The names of all tensors."""
        return set(self._found)

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns a tensor's shape as our variable has it."""
        file, stored = self._found[name]
        shape = file.shape(stored)
        return shape[::-1] if name == HEAD else shape

    def head_is_embedding(self) -> bool:
        """Says whether the head is what a tied one would be."""
        files = [self._found[name] for name in (HEAD, EMBEDDING)]
        head, embedding = (file.shape(stored) for file, stored in files)
        return head == embedding and all(
            np.array_equal(one, two)
            for (_, one), (_, two) in zip(
                *(file.read_blocks(stored) for file, stored in files),
                strict=True,
            )
        )

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor in float32, as our variable has it."""
        file, stored = self._found[name]
        value = file.read(stored)
        return value.T if name == HEAD else value

    def read_blocks(self, name: str) -> Iterator[tuple[slice, np.ndarray]]:
        """Yields a tensor, some of our variable's rows after others."""
        if name == HEAD:  # its rows are columns in the file
            return blocks_of(self.read(name))
        file, stored = self._found[name]
        return file.read_blocks(stored)


def _files(folder: pathlib.Path):
    """Yields each file with the names of its tensors."""
    if (folder / WEIGHTS).exists():
        file = SafetensorsFile(folder / WEIGHTS)
        yield file, list(file.entries)
    elif (folder / _INDEX).exists():
        yield from _shards(folder)
    else:
        raise _without_weights(folder)


def _shards(folder: pathlib.Path):
    places = Configuration(folder / _INDEX).mapping("weight_map")
    for file_name in sorted(set(places.values())):
        if pathlib.Path(file_name).name != file_name:
            raise ValueError(
                f"`weight_map` in {str(folder / _INDEX)!r} must name files of "
                f"that folder. Received: {file_name!r}"
            )
        if not (folder / file_name).exists():
            raise FileNotFoundError(
                f"{str(folder)!r} must have {file_name}, which its "
                f"`weight_map` names."
            )
        file = SafetensorsFile(folder / file_name)
        names = {name for name in places if places[name] == file_name}
        if names != file.entries.keys():
            raise ValueError(
                f"{file.path!r} must have the tensors that `weight_map` "
                "names. Received, in only one of them: "
                f"{sorted(names ^ file.entries.keys())[:10]}"
            )
        yield file, list(file.entries)


def _without_weights(folder: pathlib.Path) -> Exception:
    pickles = sorted(path.name for path in folder.glob(_PICKLE))
    if not pickles:
        return FileNotFoundError(
            f"{str(folder)!r} must have {WEIGHTS}, or {_INDEX}."
        )
    return ValueError(
        f"{str(folder)!r} must have {WEIGHTS}. Received: {pickles[0]}, which "
        "is a pickle: to read it runs whatever code it holds. Have its owner, "
        "or transformers where you trust it, save it as safetensors."
    )
