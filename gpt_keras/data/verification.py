"""Files and the SHA-256 that they must have in, which were seen to have it out.

What was verified is remembered by size and times of the file, beside the
shards: reading ten gigabytes at every start would take as long as some
trainings.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from gpt_keras.files import write_atomically

VERIFIED = "verified.json"
# A file system's clock may be so coarse; what changes later has another time.
_SETTLED = 2 * 10**9  # nanoseconds


def verify_files(
    directory, digests: Mapping[str, str], force: bool = False
) -> int:
    """Compares the SHA-256 of files that weren't verified as they are now.

    Args:
        directory: Their folder, where the record of it is kept. One that can't
            be written has no record, and is verified every time.
        digests: Name of the file → SHA-256 in hexadecimal.
        force: Verifies all of them.

    Returns:
        How many bytes were read.

    Raises:
        ValueError: A file differs; the message names it.
        OSError: A file can't be read.
    """
    directory = pathlib.Path(directory)
    before = {} if force else _read(directory / VERIFIED)
    states = {name: _state(directory / name) for name in digests}
    todo = {
        name: digest
        for name, digest in digests.items()
        if before.get(name) != [digest, *states[name]]
    }
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing frees them
        paths = [directory / name for name in todo]
        list(threads.map(_check, paths, todo.values()))
    now = time.time_ns()
    verified = {
        name: [digests[name], *state]
        for name, state in states.items()
        if now - max(state[1:]) > _SETTLED
    }
    if todo and verified != before:
        with contextlib.suppress(OSError):
            write_atomically(directory / VERIFIED, json.dumps(verified))
    return sum(states[name][0] for name in todo)


def _state(path: pathlib.Path) -> list[int]:
    """Size, and when content and entry changed, of which a copy has its own."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _check(path: pathlib.Path, expected: str) -> None:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != expected:
        raise ValueError(
            f"Token shard {str(path)!r} must have SHA-256 {expected}. "
            f"Received: {digest}."
        )


def _read(path: pathlib.Path) -> dict:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
