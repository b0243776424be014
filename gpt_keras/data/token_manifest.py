"""What a token store holds, as `manifest.json`: written, read and checked."""

import hashlib
import json
import os
import pathlib

MANIFEST = "manifest.json"
_FORMAT = "gpt_keras token store"
_VERSION = 1


def read_manifest(directory) -> dict:
    """Reads and checks the manifest of a token store, not its shards."""
    path = pathlib.Path(directory) / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{str(path)!r} must be JSON. Received: {error}."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ValueError(f"{str(path)!r} must be the manifest of a {_FORMAT}.")
    if manifest.get("version") != _VERSION:
        raise ValueError(
            f"{str(path)!r} must have version {_VERSION}. "
            f"Received: {manifest.get('version')}."
        )
    digest = _digest(manifest)
    if manifest.get("sha256") != digest:
        raise ValueError(
            f"{str(path)!r} must have the SHA-256 that it states, "
            f"{manifest.get('sha256')}. Received: {digest}."
        )
    return manifest


def new_manifest() -> dict:
    """The entries that every manifest of this version has."""
    return {"format": _FORMAT, "version": _VERSION}


def write_manifest(directory, manifest: dict) -> None:
    """Writes the manifest with its own SHA-256, down to the disk."""
    manifest = manifest | {"sha256": _digest(manifest)}
    path = pathlib.Path(directory) / MANIFEST
    with open(path, "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2)
        flush_to_disk(file)


def _digest(manifest: dict) -> str:
    """SHA-256 of everything in the manifest but its own `sha256`."""
    content = {k: v for k, v in manifest.items() if k != "sha256"}
    canonical = json.dumps(content, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def flush_to_disk(file) -> None:
    """Returns when the file would survive a loss of power."""
    file.flush()
    os.fsync(file.fileno())
