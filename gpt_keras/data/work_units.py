"""Pieces of documents in, units of work out: each becomes one token shard.

Which texts are a unit depends on the texts alone.
"""

import dataclasses
import hashlib
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from gpt_keras.data.pair_texts import PairText
from gpt_keras.text.text_cutting import cut_between_words

UNIT_CHARACTERS = 2**24
_MOST_PIECES = 2**16


@dataclasses.dataclass(frozen=True)
class Unit:
    """A part of a split.

    Attributes:
        split: The split's name.
        number: The units of a split are numbered from 0.
        texts: Pieces of documents, in order; or pairs, which are whole.
        ends: Whether a document ends with the piece.
    """

    split: str
    number: int
    texts: Sequence[str | PairText]
    ends: list[bool]

    @property
    def name(self) -> str:
        """What the files of the unit are called."""
        return f"{self.split}-{self.number:05d}"

    def counts(self, left_out: Collection[int] = ()) -> dict[str, int]:
        """Documents that end here, characters and bytes of UTF-8.

        Args:
            left_out: The places of the texts that do not count.
        """
        kept = [n for n in range(len(self.texts)) if n not in left_out]
        texts = [part for n in kept for part in _parts(self.texts[n])]
        return {
            "documents": sum(self.ends[n] for n in kept),
            "characters": sum(map(len, texts)),
            "bytes": sum(len(text.encode()) for text in texts),
        }

    def digest(self) -> str:
        """SHA-256 of the texts and of where documents end."""
        digest = hashlib.sha256()
        for text, ends in zip(self.texts, self.ends, strict=True):
            parts = _parts(text)
            for number, part in enumerate(parts, 1):
                data = part.encode()
                is_end = ends and number == len(parts)
                digest.update(b"%d %d\n" % (len(data), is_end))
                digest.update(data)
        return digest.hexdigest()


def make_units(
    split: str, documents: Iterable[str | PairText], unit_characters: int
) -> Iterator[Unit]:
    """Gathers small documents and cuts large ones.

    Args:
        split: The split's name.
        documents: Whole texts or pairs, or a `SplitText` with its pieces.
        unit_characters: A unit ends with the piece that brings it to so many.

    Yields:
        The units, one in memory at a time.
    """
    number, texts, ends, characters = 0, [], [], 0
    for text, is_end in _small_pieces(documents, unit_characters):
        texts.append(text)
        ends.append(is_end)
        characters += sum(map(len, _parts(text)))
        if characters >= unit_characters or len(texts) >= _MOST_PIECES:
            yield Unit(split, number, texts, ends)
            number, texts, ends, characters = number + 1, [], [], 0
    if texts:
        yield Unit(split, number, texts, ends)


def _small_pieces(
    documents, size: int
) -> Iterator[tuple[str | PairText, bool]]:
    pieces = getattr(documents, "pieces", None)
    pieces = pieces() if pieces else ((text, True) for text in documents)
    for text, ends in pieces:
        if isinstance(text, PairText):
            yield text, ends
            continue
        parts = cut_between_words(text, size)
        last = next(parts)
        for part in parts:
            yield last, False
            last = part
        yield last, ends


def _parts(text: str | PairText) -> list[str]:
    return [text] if isinstance(text, str) else text.texts
