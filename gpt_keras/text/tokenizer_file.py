"""A tokenizer's content comes in, `tokenizer.json` and its fingerprint go out,
and back.
"""

import hashlib
import json
import os
from typing import Any

from gpt_keras.files import write_atomically

FILE_NAME = "tokenizer.json"
FORMAT_VERSION = 1


def fingerprint(content: dict[str, Any]) -> str:
    """SHA-256, in hexadecimal, of the `tokenizer.json` that `write` makes."""
    return hashlib.sha256(_to_bytes(content)).hexdigest()


def write(directory: str | os.PathLike, content: dict[str, Any]) -> str:
    """Writes `directory/tokenizer.json`, whole or not at all.

    Args:
        directory: made if it does not exist.
        content: `kind` and what that kind of tokenizer is made of.

    Returns:
        The path of the file.
    """
    path = os.path.join(directory, FILE_NAME)
    write_atomically(path, _to_bytes(content))
    return path


def read(directory: str | os.PathLike) -> dict[str, Any]:
    """Reads back what `write` got.

    Raises:
        FileNotFoundError: there is no `directory/tokenizer.json`.
        ValueError: the file is broken, or not of this format.
    """
    path = os.path.join(directory, FILE_NAME)
    content = read_json_object(path)
    version = content.pop("version", None)
    if not isinstance(content.get("kind"), str) or version is None:
        raise ValueError(
            f"{path} must have the fields `kind` and `version`. Received: "
            f"{sorted(content)[:10]}."
        )
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} must have format version {FORMAT_VERSION}. Received: "
            f"{version!r}."
        )
    return content


def read_json_object(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a JSON file that holds one object.

    Raises:
        ValueError: not UTF-8, not JSON, not an object, or a key comes twice.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        content = json.loads(
            data.decode("utf-8"), object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} must hold a JSON object. Received: "
            f"{type(content).__name__}."
        )
    return content


def _to_bytes(content: dict[str, Any]) -> bytes:
    text = json.dumps(
        {"version": FORMAT_VERSION, **content},
        ensure_ascii=False,
        sort_keys=True,
        indent=1,
    )
    return (text + "\n").encode("utf-8")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} comes twice")
            seen.add(key)
    return content
