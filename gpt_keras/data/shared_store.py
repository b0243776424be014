"""The folder of a store that another host made in, tokenizer and store out."""

import pathlib
import time

from gpt_keras.data.token_manifest import MANIFEST
from gpt_keras.data.token_manifest import read_manifest
from gpt_keras.data.token_store import TokenStore
from gpt_keras.text.tokenizer import load_tokenizer

_PAUSE = 0.5  # seconds between two looks


def open_shared(directory, sha256: str, seconds: float = 60.0):
    """Opens a token store once this host sees it, and writes nothing.

    A file that another host wrote may show up late on a network's file
    system.

    Args:
        directory: The folder of the store, where this host sees it.
        sha256: Which its manifest must state: that of the host that made it.
        seconds: To wait for it.

    Returns:
        `(tokenizer, store)`, as `prepare` returns them.

    Raises:
        ValueError: Another store is there, or none.
    """
    directory = pathlib.Path(directory)
    end = time.monotonic() + seconds
    found = _stated(directory)
    while found != sha256 and time.monotonic() < end:
        time.sleep(_PAUSE)
        found = _stated(directory)
    if found != sha256:
        raise ValueError(
            f"{str(directory)!r} must hold the tokens that the chief trains "
            "on: share the folder, or copy the chief's there before the run. "
            f"Received: {found or 'nothing'} in place of {sha256}"
        )
    return load_tokenizer(directory), TokenStore(directory)


def _stated(directory: pathlib.Path) -> str | None:
    if not (directory / MANIFEST).exists():
        return None
    return read_manifest(directory)["sha256"]
