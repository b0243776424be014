"""A split of tokens in, the places of its documents, piece by piece, out.

Places are counted in the split's tokens behind one separator: so each document
begins with one, as a window does that was cut at a document's border.
"""

from typing import NamedTuple

import numpy as np

from gpt_keras.data.token_store import TokenSplit

_READ_AT_ONCE = 2**22  # tokens


class DocumentSpans(NamedTuple):
    """Runs of tokens, each within one document; one is read with the next.

    Attributes:
        starts: `(n,)` int64, the place of each one's first token.
        counts: `(n,)` int64, how many labels it has: the tokens that follow.
        is_first: `(n,)` boolean, whether it begins with the separator, and
            not where another piece of the document ended.
        num_cut: How many documents are in several pieces.
    """

    starts: np.ndarray
    counts: np.ndarray
    is_first: np.ndarray
    num_cut: int


def document_spans(split: TokenSplit, length: int) -> DocumentSpans:
    """Finds the documents of a split, and cuts those that are too long.

    A document is the separator before it, its tokens, and as its last label
    the separator behind it. Of a longer one, each piece but the last has
    `length` labels, and goes on where the one before it ended. So every token
    of the split is a label in exactly one piece.

    Args:
        split: The tokens; it is read once.
        length: The most labels of a piece.

    Raises:
        ValueError: `length` is not positive, or the split is empty or has no
            `end_of_text_id`.
    """
    if length < 1:
        raise ValueError(f"`length` must be positive. Received: {length}.")
    if split.end_of_text_id is None or not split.num_tokens:
        raise ValueError(
            "Documents can be told apart only in a split that has tokens and "
            f"an `end_of_text_id`. Received: {split.num_tokens} tokens, "
            f"end_of_text_id={split.end_of_text_id}."
        )
    separators = _separators(split) + 1  # behind the one put in front
    borders = np.concatenate([[0], separators])
    if borders[-1] < split.num_tokens:
        borders = np.append(borders, split.num_tokens)  # it ends amid one
    counts = np.diff(borders)
    pieces = -(-counts // length)
    numbers = np.arange(pieces.sum()) - np.repeat(
        np.cumsum(pieces) - pieces, pieces
    )
    offsets = numbers * length
    return DocumentSpans(
        starts=np.repeat(borders[:-1], pieces) + offsets,
        counts=np.minimum(np.repeat(counts, pieces) - offsets, length),
        is_first=numbers == 0,
        num_cut=int(np.count_nonzero(pieces > 1)),
    )


def read_span(split: TokenSplit, start: int, count: int) -> np.ndarray:
    """Copies one piece and the token behind it.

    Args:
        split: The tokens.
        start: The place of its first token, as in `DocumentSpans`.
        count: Its labels.

    Returns:
        `(count + 1,)` int32.
    """
    if start:
        return split.read([start - 1], count + 1)[0]
    tokens = split.read([0], count)[0]
    first = np.array([split.end_of_text_id], np.int32)
    return np.concatenate([first, tokens])


def _separators(split: TokenSplit) -> np.ndarray:
    """Returns where the separators stand in a split, `(n,)` int64."""
    found = []
    for start in range(0, split.num_tokens, _READ_AT_ONCE):
        count = min(_READ_AT_ONCE, split.num_tokens - start)
        ids = split.read([start], count)[0]
        found.append(start + np.flatnonzero(ids == split.end_of_text_id))
    return np.concatenate(found).astype(np.int64)
