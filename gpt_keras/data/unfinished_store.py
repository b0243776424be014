"""Finished units of work in, the same after a kill, and a whole store, out.

While a store is made it lies in `<directory>.partial`: `tokenizer.json`, a
shard for each finished unit, and in `unfinished/` the journal and a record for
each shard. A file gets its name when it is whole, a shard before its record.
"""

import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Collection

import numpy as np

from gpt_keras.data.folder_lock import LOCK
from gpt_keras.data.folder_lock import FolderLock
from gpt_keras.data.token_manifest import MANIFEST
from gpt_keras.data.token_manifest import write_manifest
from gpt_keras.data.work_units import Unit
from gpt_keras.files import write_atomically
from gpt_keras.text import tokenizer_file

_RECORDS = "unfinished"
_JOURNAL = "journal.json"
_SHARD_FIELDS = ("file", "tokens", "sha256")


class UnfinishedStore:
    """What there is of a store that is not finished.

    Args:
        directory: The folder that the store will be.
    """

    def __init__(self, directory):
        self._directory = pathlib.Path(os.path.abspath(directory))
        name = self._directory.name
        self.partial = self._directory.with_name(f"{name}.partial")
        self._records = self.partial / _RECORDS
        self._lock = FolderLock(self.partial)

    @property
    def journal(self) -> dict | None:
        """What `begin` was told; None where nothing was begun."""
        return _read(self._records / _JOURNAL)

    def begin(self, tokenizer, journal: dict) -> None:
        """Begins, or goes on with the shards that an earlier try finished.

        Args:
            tokenizer: Is saved, if need be.
            journal: JSON. `journal["units"]` says what shards depend on
                beside their text.

        Raises:
            ValueError: The earlier try's shards depend on something else, or
                another process writes.
        """
        self._lock.take()
        before = self.journal
        if before is None or not self._has_shards():
            self._remove_all_but({LOCK})
            before = None
            tokenizer.save(self.partial)
        elif before.get("units") != journal["units"]:
            raise ValueError(
                f"{str(self.partial)!r} holds unfinished tokens that were made "
                "otherwise: go on as before, choose another folder, or remove "
                f"it. Received: {before.get('units')} there, "
                f"{journal['units']} now."
            )
        (self.partial / MANIFEST).unlink(missing_ok=True)
        if before != journal:
            content = json.dumps(journal, indent=2)
            write_atomically(self._records / _JOURNAL, content)

    def find(self, unit: Unit) -> dict | None:
        """Returns the record of a unit's shard if it is there and undamaged."""
        record = _read(self._records / f"{unit.name}.json")
        if record is None or record.get("text") != unit.digest():
            return None
        try:
            with open(self.partial / record["file"], "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None
        return record if digest == record["sha256"] else None

    def add(
        self, unit: Unit, ids: np.ndarray, left_out: Collection[int] = ()
    ) -> dict:
        """Writes the shard of a unit, down to the disk; returns its record.

        Args:
            unit: Of work.
            ids: Of its documents, `(tokens,)`.
            left_out: The places of the texts that are not there.
        """
        data = ids.tobytes()
        name = f"{unit.name}.bin"
        record = unit.counts(left_out) | {
            "left_out": len(left_out),
            "file": name,
            "tokens": len(ids),
            "sha256": hashlib.sha256(data).hexdigest(),
            "text": unit.digest(),
        }
        write_atomically(self.partial / name, data)
        write_atomically(
            self._records / f"{unit.name}.json", json.dumps(record)
        )
        return record

    def complete(self, manifest: dict) -> None:
        """Writes the manifest and makes this the store."""
        temporary = self._records / MANIFEST
        write_manifest(self._records, manifest)
        os.replace(temporary, self.partial / MANIFEST)
        self._hand_over(manifest)

    def complete_interrupted(self) -> None:
        """Completes what a kill interrupted after the manifest was written."""
        manifest = _read(self.partial / MANIFEST)
        taken = self._directory.exists() and any(self._directory.iterdir())
        if manifest is not None and not taken:
            self._lock.take()
            self._hand_over(manifest)

    def leave(self) -> None:
        """Lets others go on; removes everything unless a shard is finished."""
        if not self._lock.is_taken:
            return
        if not self._has_shards() and not (self.partial / MANIFEST).exists():
            shutil.rmtree(self.partial, ignore_errors=True)
        self._lock.release()

    def _has_shards(self) -> bool:
        return any(self._records.glob("*-*.json"))

    def _hand_over(self, manifest: dict) -> None:
        """Removes what is no part of the store, and renames its folder."""
        shards = [
            shard["file"]
            for split in manifest["splits"].values()
            for shard in split["shards"]
        ]
        wanted = {MANIFEST, tokenizer_file.FILE_NAME, *shards}
        self._remove_all_but(wanted)
        if self._directory.exists():
            self._directory.rmdir()  # empty, and Windows renames onto nothing
        os.rename(self.partial, self._directory)
        self._lock.release()

    def _remove_all_but(self, names: set[str]) -> None:
        for path in self.partial.iterdir():
            if path.name not in names:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def shard_entry(record: dict) -> dict:
    """What the manifest says of a shard."""
    return {field: record[field] for field in _SHARD_FIELDS}


def _read(path: pathlib.Path) -> dict | None:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return content if isinstance(content, dict) else None
