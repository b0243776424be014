"""A source's documents in, those of training and of validation out."""

import dataclasses
import hashlib
from collections.abc import Callable
from collections.abc import Iterator

_WAYS = ("position", "document")


@dataclasses.dataclass(frozen=True)
class ValidationSplit:
    """How much of a corpus is kept for validation, and which part.

    Args:
        fraction: The share of the text, 0 (none) up to but without 1.
        by: `"position"` keeps the last characters of the corpus and may cut
            one document in two. `"document"` keeps whole documents, drawn by
            a hash of their index.
        seed: Draws the documents; `"position"` has no use for it.
    """

    fraction: float = 0.1
    by: str = "position"
    seed: int = 0

    def __post_init__(self):
        if not 0 <= self.fraction < 1:
            raise ValueError(
                "`fraction` must be 0 or lie between 0 and 1. "
                f"Received: fraction={self.fraction}."
            )
        if self.by not in _WAYS:
            raise ValueError(
                f"`by` must be one of {_WAYS}. Received: by={self.by!r}."
            )


@dataclasses.dataclass(frozen=True)
class SplitText:
    """The documents of one split, read anew at every iteration.

    Attributes:
        pieces: Gives a new iterator over `(text, ends)`: pieces of documents,
            cut between words, and whether the document ends there. The last
            of a split may go on in another one.
        num_characters: Of all pieces.
    """

    pieces: Callable[[], Iterator[tuple[str, bool]]]
    num_characters: int | None = None

    def __iter__(self) -> Iterator[str]:
        """The texts of the pieces."""
        return (text for text, _ in self.pieces())


def split_documents(
    source,
    split: ValidationSplit | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, SplitText]:
    """Splits the documents of `source` without holding them in memory.

    The source is read once to measure it, and once more, at most, for each
    split that is iterated over.

    Args:
        source: An object whose `documents()` gives an iterator over texts,
            the same ones every time; where a document may be larger than
            memory, it has `pieces()` too, as `SplitText`. Empty texts are left
            out.
        split: Defaults to the last tenth of the characters.
        progress: Called with the characters of each piece that was measured.

    Returns:
        `{"train": …, "validation": …}`, without validation for a fraction of
        0. By position, training has the first `int((1 - fraction) * total)`
        characters.

    Raises:
        ValueError: The source has no text, or too little for two splits.
    """
    split = split or ValidationSplit()
    total = num_documents = 0
    for text, ends in _pieces(source):
        total += len(text)
        num_documents += ends
        if progress:
            progress(len(text))
    if not total:
        raise ValueError(
            f"A corpus must have text. Received none: {source.description}."
        )
    if split.fraction == 0:
        return {"train": SplitText(lambda: _pieces(source), total)}
    if split.by == "position":
        return _by_position(source, total, split.fraction)
    return _by_document(source, num_documents, split)


def _pieces(source) -> Iterator[tuple[str, bool]]:
    if hasattr(source, "pieces"):
        return source.pieces()
    return ((text, True) for text in source.documents() if text)


def _by_position(source, total: int, fraction: float) -> dict[str, SplitText]:
    cut = int((1 - fraction) * total)
    if not 0 < cut < total:
        raise ValueError(
            "A corpus must have text for training and for validation. "
            f"Received: {total} characters in all, fraction={fraction}."
        )
    return {
        "train": SplitText(lambda: _between(source, 0, cut), cut),
        "validation": SplitText(
            lambda: _between(source, cut, total), total - cut
        ),
    }


def _between(source, first: int, last: int) -> Iterator[tuple[str, bool]]:
    """The characters `first` to `last` of the corpus."""
    end = 0
    for text, ends in _pieces(source):
        start, end = end, end + len(text)
        piece = text[max(first - start, 0) : max(last - start, 0)]
        if piece:
            yield piece, ends and end <= last
        if end >= last:
            return


def _by_document(
    source, num_documents: int, split: ValidationSplit
) -> dict[str, SplitText]:
    if num_documents == 1:
        raise ValueError(
            "A split by document needs two documents or more. Received: 1 "
            "document. `by='position'` cuts it in two."
        )

    def share(index):
        return _share(split.seed, index)

    lowest = min(range(num_documents), key=share)
    highest = max(range(num_documents), key=share)

    def read(validation):
        index = 0
        for text, ends in _pieces(source):
            chosen = index == lowest or share(index) < split.fraction
            if (chosen and index != highest) == validation:
                yield text, ends
            index += ends

    return {
        "train": SplitText(lambda: read(False)),
        "validation": SplitText(lambda: read(True)),
    }


def _share(seed: int, index: int) -> float:
    """A number from 0 to 1, evenly spread and the same everywhere."""
    digest = hashlib.sha256(f"{seed} {index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
