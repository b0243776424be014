"""A file with a watermark's secret number comes in, the number goes out."""

import pathlib


def read_key(path, flag: str) -> int:
    """Reads a key, so that it need not stand in the shell's history.

    Args:
        path: The file: one integer, such as `0x3f` or `63`.
        flag: The flag that named it, for the error.

    Raises:
        ValueError: The file holds something else. The key stays secret, even
            a wrong one.
        OSError: The file can't be read.
    """
    text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    try:
        return int(text.strip(), 0)
    except ValueError:
        raise ValueError(
            f"`{flag}` must hold one integer and nothing else. Received: "
            f"{path}, {len(text)} characters"
        ) from None
