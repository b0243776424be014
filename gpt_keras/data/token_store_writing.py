"""Documents and a tokenizer in, a folder of token shards out."""

import hashlib
import os
import pathlib
import shutil
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np

from gpt_keras.data.token_manifest import flush_to_disk
from gpt_keras.data.token_manifest import new_manifest
from gpt_keras.data.token_manifest import write_manifest
from gpt_keras.data.token_store import TokenStore
from gpt_keras.data.token_store import check_ids

SHARD_TOKENS = 2**26  # 128 MiB of uint16
_BATCH_CHARACTERS = 2**20
_BATCH_DOCUMENTS = 1024


def write_token_store(
    directory,
    splits: Mapping[str, Iterable[str]],
    *,
    tokenizer,
    source: dict,
    settings: dict | None = None,
    shard_tokens: int = SHARD_TOKENS,
    progress: Callable[[str, int, int], None] | None = None,
) -> TokenStore:
    """Encodes documents into token shards with a manifest.

    Each document is encoded whole and followed by
    `tokenizer.end_of_text_id`, but for the last of a split that has a true
    `ends_in_document` (see `SplitText`). Everything is written into
    `<directory>.partial`, which is renamed when complete: `directory` never
    holds half a store, and what an earlier try left behind is removed.

    Args:
        directory: The folder to make; it must be missing or empty.
        splits: Name → documents. Each is iterated over once.
        tokenizer: An object with `vocab_size`, `end_of_text_id`,
            `fingerprint`, `encode_batch(texts)` and `save(directory)`; it is
            saved beside the shards.
        source: What the documents come from, for the manifest.
        settings: What else made them what they are, for the manifest.
        shard_tokens: The most tokens in one shard.
        progress: Called with a split's name and its documents and tokens so
            far, after each batch of documents.

    Returns:
        The store.

    Raises:
        ValueError: A split has no documents, the tokenizer gives an id out
            of range, or `directory` holds something else.
        OSError: The folder can't be written or the disk is full.
    """
    if shard_tokens < 1:
        raise ValueError(
            "`shard_tokens` must be positive. "
            f"Received: shard_tokens={shard_tokens}."
        )
    directory = pathlib.Path(os.path.abspath(directory))
    check_free(directory)
    partial = directory.with_name(directory.name + ".partial")
    try:
        _make_empty(partial)
        tokenizer.save(partial)
        manifest = _header(tokenizer, source, settings or {})
        for name, documents in splits.items():
            with _ShardWriter(partial, name, manifest, shard_tokens) as shards:
                counts = _write_split(documents, shards, tokenizer, progress)
            manifest["splits"][name] = counts | {"shards": shards.written}
        write_manifest(partial, manifest)
        _rename(partial, directory)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(partial)  # writing to a full disk has none
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return TokenStore(directory, verify=False)


def check_free(directory) -> None:
    """Raises ValueError if `directory` holds anything."""
    directory = pathlib.Path(directory)
    if directory.exists() and any(directory.iterdir()):
        raise ValueError(
            "A token store needs a folder that is missing or empty. "
            f"Received: {str(directory)!r}."
        )


def _make_empty(directory: pathlib.Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)


def _header(tokenizer, source: dict, settings: dict) -> dict:
    vocab_size = int(tokenizer.vocab_size)
    end_of_text_id = int(tokenizer.end_of_text_id)
    check_ids(np.array(end_of_text_id), vocab_size, "`end_of_text_id`")
    return new_manifest() | {
        "dtype": "<u2" if vocab_size <= 2**16 else "<u4",
        "vocab_size": vocab_size,
        "end_of_text_id": end_of_text_id,
        "tokenizer": tokenizer.fingerprint,
        "source": source,
        "settings": settings,
        "splits": {},
    }


class _ShardWriter:
    """Ids in, files `<name>-00000.bin` and their manifest entries out."""

    def __init__(self, directory, name, manifest, shard_tokens):
        self.written: list[dict] = []
        self._directory = directory
        self.name = name
        self._dtype = manifest["dtype"]
        self._shard_tokens = shard_tokens
        self._file = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._close()

    def write(self, ids: np.ndarray) -> None:
        while len(ids):
            if self._file is None:
                self._open()
            entry = self.written[-1]
            piece = ids[: self._shard_tokens - entry["tokens"]]
            data = piece.astype(self._dtype).tobytes()
            self._file.write(data)
            self._hash.update(data)
            entry["tokens"] += len(piece)
            ids = ids[len(piece) :]
            if entry["tokens"] == self._shard_tokens:
                self._close()

    def _open(self):
        name = f"{self.name}-{len(self.written):05d}.bin"
        self._file = open(self._directory / name, "wb")
        self._hash = hashlib.sha256()
        self.written.append({"file": name, "tokens": 0})

    def _close(self):
        if self._file is not None:
            file, self._file = self._file, None
            with file:
                flush_to_disk(file)
            self.written[-1]["sha256"] = self._hash.hexdigest()


def _write_split(documents, shards, tokenizer, progress) -> dict:
    separator = np.array([tokenizer.end_of_text_id])
    counts = {"documents": 0, "tokens": 0, "characters": 0, "bytes": 0}

    def write(ids):
        shards.write(ids)
        counts["tokens"] += len(ids)

    for texts in _batches(documents):
        encoded = tokenizer.encode_batch(texts)
        for text, ids in zip(texts, encoded, strict=True):
            if counts["documents"]:
                write(separator)
            ids = np.asarray(ids, np.int64)
            check_ids(ids, tokenizer.vocab_size, "Encoded text")
            write(ids)
            counts["documents"] += 1
            counts["characters"] += len(text)
            counts["bytes"] += len(text.encode())
        if progress:
            progress(shards.name, counts["documents"], counts["tokens"])
    if not counts["tokens"]:
        raise ValueError(
            f"Every split must have text. Received none: {shards.name!r}."
        )
    if not getattr(documents, "ends_in_document", False):
        write(separator)
    return counts


def _batches(documents: Iterable[str]) -> Iterator[list[str]]:
    """Documents enough to keep all cores busy, few enough for memory."""
    batch, characters = [], 0
    for text in documents:
        batch.append(text)
        characters += len(text)
        if characters >= _BATCH_CHARACTERS or len(batch) >= _BATCH_DOCUMENTS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _rename(partial: pathlib.Path, directory: pathlib.Path) -> None:
    if directory.exists():
        directory.rmdir()  # it is empty, and Windows renames onto nothing
    os.rename(partial, directory)
