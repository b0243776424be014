"""A folder of token shards in, windows of token ids as arrays out."""

import bisect
import itertools
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from gpt_keras.data.shard_files import OpenFiles
from gpt_keras.data.shard_files import ShardFile
from gpt_keras.data.token_manifest import read_manifest
from gpt_keras.data.verification import verify_files


class TokenSplit:
    """The tokens of one split, one after the other, read where asked.

    Args:
        shards: Arrays `(tokens,)` of ids, or `ShardFile`s, in order.
        vocab_size: Every id is below it; `read` checks this.
        num_documents: How many documents the tokens are from.
        num_bytes: Bytes of UTF-8 text that the tokens stand for, or None.
        end_of_text_id: The id that follows every document, or None.
    """

    def __init__(
        self,
        shards: Sequence[np.ndarray | ShardFile],
        *,
        vocab_size: int,
        num_documents: int,
        num_bytes: int | None = None,
        end_of_text_id: int | None = None,
    ):
        self.vocab_size = vocab_size
        self.num_documents = num_documents
        self.num_bytes = num_bytes
        self.end_of_text_id = end_of_text_id
        self._shards = list(shards)
        self._borders = [0, *itertools.accumulate(map(len, self._shards))]

    @classmethod
    def from_array(
        cls, token_ids, *, vocab_size=None, end_of_text_id=None
    ) -> "TokenSplit":
        """Takes ids `(tokens,)` from memory.

        Args:
            token_ids: An array or list of integers, none negative.
            vocab_size: Defaults to one more than the largest id.
            end_of_text_id: Counts the documents; None takes it for one.
        """
        ids = np.asarray(token_ids)
        if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(
                "`token_ids` must be integers of shape (tokens,). Received: "
                f"shape {ids.shape}, dtype {ids.dtype}."
            )
        largest = int(ids.max(initial=0))
        vocab_size = largest + 1 if vocab_size is None else vocab_size
        check_ids(ids, vocab_size, "`token_ids`")
        ends = 0 if end_of_text_id is None else ids[:-1] == end_of_text_id
        return cls(
            [ids],
            vocab_size=vocab_size,
            num_documents=1 + int(np.count_nonzero(ends)),
            end_of_text_id=end_of_text_id,
        )

    @classmethod
    def joined(cls, splits: Sequence["TokenSplit"]) -> "TokenSplit":
        """Puts splits of one vocabulary one after the other."""
        known = [x.num_bytes for x in splits if x.num_bytes is not None]
        return cls(
            [shard for split in splits for shard in split._shards],
            vocab_size=splits[0].vocab_size,
            num_documents=sum(split.num_documents for split in splits),
            num_bytes=sum(known) if len(known) == len(splits) else None,
            end_of_text_id=splits[0].end_of_text_id,
        )

    @property
    def num_tokens(self) -> int:
        """Tokens in all shards, separators included."""
        return self._borders[-1]

    def read(self, starts, length: int) -> np.ndarray:
        """Copies the tokens `start` to `start + length` of every start.

        Args:
            starts: `(n,)` positions in the split.
            length: Tokens to read from each.

        Returns:
            `(n, length)`, int32.

        Raises:
            ValueError: A window leaves the split, or holds an id that is not
                in the vocabulary.
        """
        starts = np.asarray(starts, np.int64)
        if starts.size and not (
            0 <= starts.min() and starts.max() + length <= self.num_tokens
        ):
            raise ValueError(
                f"Windows must lie within 0 to {self.num_tokens} tokens. "
                f"Received: starts {starts.min()} to {starts.max()}, "
                f"length={length}."
            )
        windows = np.empty((len(starts), length), np.int32)
        for start, window in zip(starts.tolist(), windows, strict=True):
            self._copy(start, window)
        check_ids(windows, self.vocab_size, "A window")
        return windows

    def _copy(self, start: int, window: np.ndarray) -> None:
        index = bisect.bisect_right(self._borders, start) - 1
        done = 0
        while done < len(window):
            offset = start + done - self._borders[index]
            piece = self._shards[index][offset : offset + len(window) - done]
            window[done : done + len(piece)] = piece
            done += len(piece)
            index += 1


class TokenStore:
    """Opens what `write_token_store` wrote, and checks it.

    The shards are read where windows lie, neither loaded nor mapped.

    Args:
        directory: The folder with `manifest.json` and the shards.
        verify: None compares the SHA-256 of every shard that wasn't verified
            as it is now, by size and times; True that of every shard. False
            compares the sizes only.

    Raises:
        FileNotFoundError: The manifest or a shard is missing.
        ValueError: A file differs from what was written; the message names
            the file and what differs.

    Example:
        >>> store = TokenStore("runs/shakespeare/tokens")
        >>> store.split("train").read([0], 8)
    """

    def __init__(self, directory, verify: bool | None = None):
        self.directory = pathlib.Path(directory)
        self.manifest = read_manifest(self.directory)
        self._files = OpenFiles()
        shards = [
            shard
            for split in self.manifest["splits"].values()
            for shard in split["shards"]
        ]
        for shard in shards:
            self._check_size(shard)
        if verify is not False:
            digests = {shard["file"]: shard["sha256"] for shard in shards}
            verify_files(self.directory, digests, force=bool(verify))

    @property
    def vocab_size(self) -> int:
        """The size of the vocabulary that the ids are from."""
        return self.manifest["vocab_size"]

    @property
    def split_names(self) -> list[str]:
        """The names that `split` takes."""
        return list(self.manifest["splits"])

    def split(self, name: str) -> TokenSplit:
        """Gives the tokens of one split."""
        if name not in self.manifest["splits"]:
            raise ValueError(
                f"`name` must be one of {self.split_names}. "
                f"Received: name={name!r}."
            )
        split = self.manifest["splits"][name]
        return TokenSplit(
            [self._shard(shard) for shard in split["shards"]],
            vocab_size=self.manifest["vocab_size"],
            num_documents=split["documents"],
            num_bytes=split["bytes"],
            end_of_text_id=self.manifest["end_of_text_id"],
        )

    def _shard(self, shard: dict) -> ShardFile:
        path = self.directory / shard["file"]
        dtype = self.manifest["dtype"]
        return ShardFile(path, dtype, shard["tokens"], self._files)

    def _check_size(self, shard: dict) -> None:
        path = self.directory / shard["file"]
        itemsize = np.dtype(self.manifest["dtype"]).itemsize
        expected = shard["tokens"] * itemsize
        size = os.path.getsize(path)
        if size != expected:
            raise ValueError(
                f"Token shard {str(path)!r} must have {expected} bytes. "
                f"Received: {size}."
            )


def check_ids(ids: np.ndarray, vocab_size: int, what: str) -> None:
    """Raises ValueError unless every id is from 0 to `vocab_size - 1`."""
    if ids.size and not (0 <= ids.min() and ids.max() < vocab_size):
        raise ValueError(
            f"{what} must hold ids from 0 to {vocab_size - 1}. "
            f"Received: {ids.min()} to {ids.max()}."
        )
