"""Patterns in, the files that they match, and their sizes, out."""

import glob
import os


def matching_files(pattern: str) -> list[str]:
    """The files that a pattern matches now, sorted, each once.

    Args:
        pattern: A path or glob, or several separated by commas.

    Raises:
        FileNotFoundError: A pattern matches no file.
        IsADirectoryError: A pattern without wildcards names a folder.
    """
    patterns = split_patterns(pattern)
    found = {path for part in patterns for path in _match(part)}
    if not found:
        raise _no_files(pattern)
    return sorted(found)


def split_patterns(pattern: str) -> list[str]:
    """Parts a text at its commas."""
    parts = [part.strip() for part in pattern.split(",")]
    return [part for part in parts if part]


def sizes_of(paths: list[str]) -> dict[str, int]:
    """Names below the common folder of the files, and their sizes in bytes."""
    folders = {os.path.dirname(os.path.abspath(path)) for path in paths}
    top = os.path.commonpath(folders)
    return {
        os.path.relpath(path, top).replace(os.sep, "/"): os.path.getsize(path)
        for path in paths
    }


def _match(pattern: str) -> list[str]:
    """A path that exists is meant as it is, brackets and all."""
    pattern = os.path.expanduser(pattern)
    if os.path.isdir(pattern):
        raise IsADirectoryError(
            "`pattern` must match files. Received a folder: "
            f"{pattern!r}. For the text files in it, give "
            f"{os.path.join(pattern, '**', '*.txt')!r}."
        )
    if os.path.lexists(pattern):
        return [os.path.normpath(pattern)]
    found = glob.glob(pattern, recursive=True)
    files = [os.path.normpath(path) for path in found if os.path.isfile(path)]
    if not files:
        raise _no_files(pattern)
    return files


def _no_files(pattern: str) -> FileNotFoundError:
    return FileNotFoundError(
        f"No files match {pattern!r} (working directory: {os.getcwd()!r})."
    )
