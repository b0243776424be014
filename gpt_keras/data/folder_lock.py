"""A folder in, the sole right to write into it out."""

import os
import pathlib

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"


class FolderLock:
    """Keeps other processes out until it is released or this one ends.

    Where the system can't lock files, nobody is kept out.

    Args:
        directory: The folder; it is made when the lock is taken.
    """

    def __init__(self, directory):
        self._path = pathlib.Path(directory) / LOCK
        self._file = None

    @property
    def is_taken(self) -> bool:
        """Whether this object has the lock."""
        return self._file is not None

    def take(self) -> None:
        """Takes the lock, unless it is taken already.

        Raises:
            ValueError: Another process has it.
        """
        if self.is_taken:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = open(self._path, "ab")
        if not self._lock(file):
            file.close()
            raise ValueError(
                f"One process at a time may write {str(self._path.parent)!r}, "
                "and another one does: wait for it, or stop it."
            )
        self._file = file

    def release(self) -> None:
        """Lets others in."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _lock(self, file) -> bool:
        if fcntl is None:
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it may have ended its work and renamed the folder.
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except (BlockingIOError, FileNotFoundError):
            return False
        except OSError:  # some network file systems
            return True
