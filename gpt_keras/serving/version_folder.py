"""What writes a folder comes in, the next version folder goes out, whole or
not at all.
"""

import errno
import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import tensorflow as tf


def write_next_version(directory, write: Callable[[str], None]) -> str:
    """Writes a folder and gives it the next number under `directory`.

    It is written under a name that is no number, which TF Serving passes
    over, flushed to the disk and then renamed: a server that watches
    `directory` sees all of it or nothing.

    Args:
        directory: The folder of all versions, made if it does not exist.
        write: Takes the path of an existing empty folder and fills it.

    Returns:
        The path of the new version: `directory/1`, or one more than the
        largest number there.

    Raises:
        OSError: `directory` can't be written, or is full. Nothing is left
            behind, whatever `write` raises.
    """
    directory = Path(directory)
    temporary = directory / f".writing-{uuid.uuid4().hex}"
    made = [p for p in (directory, *directory.parents) if not p.exists()]
    try:
        os.makedirs(temporary)
        write(str(temporary))
        _flush(temporary)
        return str(_rename(temporary, directory))
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        for path in made:
            with suppress(OSError):
                path.rmdir()
        if isinstance(error, (OSError, tf.errors.OpError)):
            raise _as_os_error(error, directory) from error
        raise


def _flush(folder: Path):
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            _sync(os.path.join(parent, name))
        _sync_folder(parent)


def _rename(temporary: Path, directory: Path) -> Path:
    while True:
        numbers = [
            int(entry.name)
            for entry in directory.iterdir()
            if entry.name.isascii() and entry.name.isdigit()
        ]
        version = directory / str(max(numbers, default=0) + 1)
        try:
            os.rename(temporary, version)
        except OSError as error:
            # Another export took the number in the meantime.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            _sync_folder(directory)
            return version


def _sync_folder(path):
    if hasattr(os, "O_DIRECTORY"):  # Windows can't open folders
        _sync(path)


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# What TensorFlow raises where Python raises an OSError.
_ERROR_NUMBERS = {
    tf.errors.PermissionDeniedError: errno.EACCES,
    tf.errors.ResourceExhaustedError: errno.ENOSPC,
}


def _as_os_error(error, directory: Path) -> OSError:
    number = getattr(error, "errno", None)
    if number is None:
        number = _ERROR_NUMBERS.get(type(error), errno.EIO)
    reason = getattr(error, "strerror", None) or str(error)
    return OSError(
        number, f"A new version can't be written: {reason}", str(directory)
    )
