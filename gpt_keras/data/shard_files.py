"""Token shards on disk in, any range of their ids out, without mapping them.

Pages of a mapped file count in a process' memory as long as nobody else needs
it; what is read into a buffer does not.
"""

import collections
import os
import threading
from io import FileIO

import numpy as np

_MOST_OPEN = 64  # a process may have 1,024 by default, and a store more shards


class OpenFiles:
    """Reads from files, and keeps those that were read last open."""

    def __init__(self, most: int = _MOST_OPEN):
        self._most = most
        self._files: collections.OrderedDict[str, FileIO] = (
            collections.OrderedDict()
        )
        self._lock = threading.Lock()

    def read_into(self, path: str, offset: int, buffer: np.ndarray) -> None:
        """Fills a buffer with what a file has from `offset` on.

        Raises:
            ValueError: The file ends before.
            OSError: It can't be read.
        """
        with self._lock:
            file = self._open(path)
            file.seek(offset)
            done = file.readinto(buffer)  # type: ignore[arg-type]
        if done < buffer.nbytes:
            raise ValueError(
                f"Token shard {path!r} must have {offset + buffer.nbytes} "
                f"bytes or more. Received: {offset + done}."
            )

    def _open(self, path: str) -> FileIO:
        file = self._files.pop(path, None)
        if file is None:
            if len(self._files) >= self._most:
                self._files.popitem(last=False)[1].close()
            file = open(path, "rb", buffering=0)
        self._files[path] = file
        return file


class ShardFile:
    """The ids in a file, as an array `(tokens,)` that is read where sliced.

    Args:
        path: The file.
        dtype: Of the ids in it.
        num_tokens: How many there are.
        files: Reads it.
    """

    def __init__(self, path, dtype: str, num_tokens: int, files: OpenFiles):
        self._path = os.fspath(path)
        self._dtype = np.dtype(dtype)
        self._num_tokens = num_tokens
        self._files = files

    def __len__(self) -> int:
        return self._num_tokens

    def __getitem__(self, places: slice) -> np.ndarray:
        first, last, _ = places.indices(self._num_tokens)
        ids = np.empty(max(last - first, 0), self._dtype)
        if len(ids):
            offset = first * self._dtype.itemsize
            self._files.read_into(self._path, offset, ids)
        return ids
