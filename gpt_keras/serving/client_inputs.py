"""What a caller of the client gives comes in, the inputs of signatures out."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def listed(name: str, texts) -> list[str | bytes]:
    """Returns one text or several as a list.

    Args:
        name: For the error.
        texts: Text, or bytes that need not be UTF-8, or a sequence of them.

    Raises:
        ValueError: One is something else.
    """
    texts = [texts] if isinstance(texts, str | bytes) else list(texts)
    for text in texts:
        if not isinstance(text, str | bytes) or not _is_unicode(text):
            raise ValueError(
                f"`{name}` must be one text or several, without half "
                f"surrogates, or bytes. Received: {type(text).__name__} "
                f"{text!r:.80}"
            )
    return texts


def like(given, rows: list):
    """Returns one row for one text, the rows for several."""
    return rows[0] if isinstance(given, str | bytes) else rows


def id_rows(token_ids) -> tuple[list[list[int]], bool]:
    """Returns rows of token ids, and whether one row alone was given.

    Raises:
        ValueError: They are no integers.
    """
    rows = _plain(token_ids)
    is_one = isinstance(rows, list) and not any(
        isinstance(row, list) for row in rows
    )
    rows = [rows] if is_one and rows else rows
    if not isinstance(rows, list) or not all(map(_are_ids, rows)):
        raise ValueError(
            "`token_ids` must be a sequence of integers, or one for each row. "
            f"Received: {token_ids!r:.80}"
        )
    return rows, is_one and bool(rows)


def padded(rows: Sequence[list[int]]) -> dict[str, list]:
    """Returns `token_ids` of one width, at least 1, and their `lengths`."""
    width = max(1, *map(len, rows))
    return {
        "token_ids": [row + [0] * (width - len(row)) for row in rows],
        "lengths": [len(row) for row in rows],
    }


def plain_inputs(inputs) -> dict[str, Any]:
    """Returns inputs by name as nested lists of what Python has."""
    return {name: _plain(value) for name, value in inputs.items()}


def _plain(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _are_ids(row) -> bool:
    return isinstance(row, list) and all(
        isinstance(one, int) and not isinstance(one, bool) for one in row
    )


def _is_unicode(text: str | bytes) -> bool:
    try:
        return isinstance(text, bytes) or bool(text.encode()) or not text
    except UnicodeEncodeError:
        return False
