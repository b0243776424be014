"""A model with adapters in, a small file of them out, and back.

The file holds numbers only, and the checksum of the weights that the adapters
belong to: beside others they would give nonsense, and no error.
"""

import hashlib
import io
import os
import zipfile
from typing import Any

import numpy as np

from gpt_keras.files import write_atomically
from gpt_keras.layers.lora import adapters
from gpt_keras.layers.lora import base_weights
from gpt_keras.layers.lora import enable_lora

ADAPTERS = "adapters.npz"
_SETTINGS = ("rank", "alpha", "base")


def save_adapters(model, path: str | os.PathLike) -> None:
    """Writes the adapters of a model, whole or not at all.

    Args:
        model: A `GPTModel` with adapters.
        path: The file.

    Raises:
        ValueError: The model has no adapters.
        OSError: The file can't be written.
    """
    variables = _by_name(model)
    if not variables:
        raise ValueError("A model must have adapters for them to be saved.")
    layer = model.blocks[0].projections[0]
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {
        "rank": layer.lora_rank,
        "alpha": float(layer.lora_alpha),
        "base": _fingerprint(model),
        **{name: np.asarray(x) for name, x in variables.items()},
    }
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def load_adapters(model, path: str | os.PathLike) -> None:
    """Puts the adapters of a file into a model that has none.

    Args:
        model: A built `GPTModel` with the weights that they were trained
            beside. `gpt_keras.layers.lora.merged` makes it a plain one again.
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or of another model.
    """
    found = _read(path)
    rank, alpha, base = (found.pop(name) for name in _SETTINGS)
    if str(base) != _fingerprint(model):
        raise ValueError(
            f"The adapters in {os.fspath(path)!r} must meet the weights that "
            "they were trained beside, bit for bit. Received: others"
        )
    enable_lora(model, int(rank), float(alpha))
    variables = _by_name(model)
    if variables.keys() != found.keys():
        raise ValueError(
            f"The file {os.fspath(path)!r} must have the model's adapters. "
            f"Received: others in {sorted(variables.keys() ^ found.keys())}"
        )
    for name, variable in variables.items():
        variable.assign(found[name])


def _read(path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{os.fspath(path)!r} must be a file of adapters. Received: {error}"
        ) from error
    if missing := set(_SETTINGS) - found.keys():
        raise ValueError(
            f"{os.fspath(path)!r} must be a file of adapters. Received: one "
            f"without {sorted(missing)}"
        )
    return found


def _by_name(model) -> dict:
    """Returns the variables by their paths within the model."""
    return {
        variable.path.removeprefix(f"{model.path}/"): variable
        for variable in adapters(model)
    }


def _fingerprint(model) -> str:
    """Returns the SHA-256 of the weights that are not the adapters'."""
    digest = hashlib.sha256()
    for weight in base_weights(model):
        digest.update(np.ascontiguousarray(weight))  # type: ignore[arg-type]
    return digest.hexdigest()
