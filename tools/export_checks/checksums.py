"""A version folder comes in, what differs from its checksums goes out."""

import hashlib
import pathlib
import re

CHECKSUMS = "assets.extra/SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")  # as `sha256sum` writes it


def find_checksum_faults(version_dir) -> list[str] | None:
    """Compares the files of a folder with its `assets.extra/SHA256SUMS`.

    Returns:
        A line for each file that differs, is missing, or is not listed; None
        if the folder has no checksums.
    """
    folder = pathlib.Path(version_dir)
    if not (folder / CHECKSUMS).is_file():
        return None
    text = (folder / CHECKSUMS).read_text("utf-8", errors="replace")
    listed, faults = {}, []
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            listed[match[2].removeprefix("./")] = match[1]
        else:
            faults.append(f"not a line of {CHECKSUMS}: {line!r:.100}")
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file()
    }
    del files[CHECKSUMS]
    for name in sorted(listed.keys() | files.keys()):
        if name not in files:
            faults.append(f"{name} is missing")
        elif name not in listed:
            faults.append(f"{name} is not in {CHECKSUMS}")
        elif _digest(files[name]) != listed[name]:
            faults.append(f"{name} is not what {CHECKSUMS} says")
    return faults


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
