"""Content in, a file or folder that is wholly there or not at all out."""

import contextlib
import os
import shutil
from collections.abc import Iterator


def write_atomically(path: str | os.PathLike, content: str | bytes) -> None:
    """Puts a file in its place; a crash leaves the old one or the new.

    Args:
        path: The file; missing folders are made.
        content: Bytes, or text to write as UTF-8.

    Raises:
        OSError: The folder can't be written, or the disk is full. The old
            file is as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    path = os.fspath(path)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


@contextlib.contextmanager
def new_folder(path: str | os.PathLike) -> Iterator[str]:
    """Gives an empty folder to fill, which gets its name at the end.

    Args:
        path: What the folder will be; an empty one may be there already.

    Raises:
        FileExistsError: Something else is there.
        OSError: It can't be written. Nothing is left behind, whatever is
            raised inside.
    """
    path = os.path.abspath(path)
    if os.path.lexists(path) and (not os.path.isdir(path) or os.listdir(path)):
        raise FileExistsError(
            f"{path!r} must be a new folder. Received: one that is not empty, "
            "or a file."
        )
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(temporary)
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
