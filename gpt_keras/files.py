"""Text in, a file that is either wholly there or not at all out."""

import os
import pathlib


def write_atomically(path, text: str) -> None:
    """Writes a UTF-8 file so that a crash leaves the old one or the new.

    Raises:
        OSError: The folder is not writable, or the disk is full; the message
            names the path.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
