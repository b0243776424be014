"""A version folder comes in, the SHA-256 of its files go out, and back."""

import hashlib
import os
import pathlib
import re

from gpt_keras.files import write_atomically

CHECKSUMS_FILE = "assets.extra/SHA256SUMS"


def write_checksums(folder: str | os.PathLike) -> None:
    """Writes `assets.extra/SHA256SUMS` of all other files of a version.

    The paths in it are relative to the folder, so that there
    `sha256sum -c assets.extra/SHA256SUMS` checks the files too.

    Args:
        folder: The version folder, with everything else in it.

    Raises:
        ValueError: The name of a file has a line break or a backslash, which
            `sha256sum` spells in a way of its own.
        OSError: A file can't be read, or the folder can't be written.
    """
    folder = pathlib.Path(folder)
    paths = _files(folder)
    for path in paths:
        if re.search(r"[\r\n\\]", path):
            raise ValueError(
                "A file in a version folder must have a name without line "
                f"breaks and backslashes. Received: {path!r}"
            )
    lines = [f"{_digest(folder / path)}  {path}\n" for path in paths]
    write_atomically(folder / CHECKSUMS_FILE, "".join(lines))


def verify_checksums(folder: str | os.PathLike) -> list[str]:
    """Compares the files of a version with what `write_checksums` wrote.

    Args:
        folder: The version folder.

    Returns:
        What differs, `"missing: PATH"`, `"extra: PATH"` or `"changed: PATH"`
        for each file, in the order of their paths; empty if all is well.

    Raises:
        OSError: A file can't be read.
    """
    folder = pathlib.Path(folder)
    found = set(_files(folder))
    try:
        stated = _stated(folder / CHECKSUMS_FILE)
    except FileNotFoundError:
        return [f"missing: {CHECKSUMS_FILE}"]
    except ValueError:
        return [f"changed: {CHECKSUMS_FILE}"]
    differences = []
    for path in sorted(found | stated.keys()):
        if path not in found:
            differences.append(f"missing: {path}")
        elif path not in stated:
            differences.append(f"extra: {path}")
        elif _digest(folder / path) != stated[path]:
            differences.append(f"changed: {path}")
    return differences


def _files(folder: pathlib.Path) -> list[str]:
    """Returns the paths of all files but the checksums, below the folder."""
    paths = [
        pathlib.Path(parent, name).relative_to(folder).as_posix()
        for parent, _, names in os.walk(folder, onerror=_raise)
        for name in names
    ]
    return sorted(path for path in paths if path != CHECKSUMS_FILE)


def _raise(error):
    raise error


def _digest(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # in blocks


_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def _stated(path: pathlib.Path) -> dict[str, str]:
    stated = {}
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        match = _LINE.fullmatch(line)
        if not match or match[2] in stated:
            raise ValueError(f"Not a line of checksums: {line!r}")
        stated[match[2]] = match[1]
    return stated
