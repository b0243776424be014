"""Content in, a file that is either wholly there or not at all out."""

import os


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
