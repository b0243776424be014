"""A long text in, pieces that a tokenizer encodes one by one out."""

import re
from collections.abc import Iterator

# GPT-2's pattern never joins a word and the white space behind it, and how it
# cuts white space depends on what follows only: here the ids don't change.
_BETWEEN_WORDS = re.compile(r"(?<=\S)[ \n]")
_LAST = 2**12  # characters


def cut_between_words(text: str, size: int = 2**14) -> Iterator[str]:
    """Cuts a text before white space that follows a word.

    Long texts then use every processor, and little memory at a time. The ids
    of the pieces, one after the other, are the ids of the text.

    Args:
        text: Any text.
        size: Characters in a piece, more where no border comes up.
    """
    start = 0
    while len(text) - start > size:
        border = _BETWEEN_WORDS.search(text, start + size)
        if border is None:
            break
        yield text[start : border.start()]
        start = border.start()
    yield text[start:]


def last_border(text: str) -> int:
    """Where such a cut is possible that leaves the least text behind it.

    Returns:
        The first character behind the cut; 0 where there is no border.
    """
    first = max(len(text) - _LAST, 0)
    for start in (first, 0):  # it is near the end but for odd texts
        borders = [x.start() for x in _BETWEEN_WORDS.finditer(text, start)]
        if borders:
            return borders[-1]
    return 0
