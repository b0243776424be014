"""Text in, the words and characters that metrics compare out.

Chinese is written without spaces: there each character is a unit, and what
stands between, such as a number or a Latin word, is one between white space.
"""

import string
import unicodedata

_HAN = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)  # Unicode blocks: extension A, unified, compatibility, extensions B to H


def is_han(character: str) -> bool:
    """Says whether a character is a Chinese one."""
    code = ord(character)
    return any(first <= code <= last for first, last in _HAN)


def is_punctuation(character: str) -> bool:
    """Says whether a character is punctuation, of ASCII or of Unicode."""
    return (
        character in string.punctuation
        or unicodedata.category(character)[0] == "P"
    )


def mixed_units(text: str) -> list[str]:
    """Cuts text into Chinese characters, and other words by white space.

    Args:
        text: Any text.

    Returns:
        The units in their order. A mark of punctuation is one of its own.
    """
    spaced = (
        f" {character} "
        if is_han(character) or is_punctuation(character)
        else character
        for character in text
    )
    return "".join(spaced).split()


def is_chinese(language: str) -> bool:
    """Says whether a language is Chinese: `zh`, or a kind of it."""
    return language.split("-")[0] == "zh"
