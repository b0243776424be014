"""A token's bytes in, a label out that shows every one of them."""

import unicodedata
from collections.abc import Callable

SPACE = "␣"  # a space alone would not be seen
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


class TokenLabels:
    """What to call the tokens of a tokenizer, on a line of its own.

    A space is shown as `␣`, a line break as `\\n`, a backslash doubled, and
    bytes that are only a part of a character as `\\xe4`; so are characters
    that are no letters or signs to see, or that can't be shown. Special tokens
    have their names.

    Args:
        tokenizer: Has `token_bytes` and `special_tokens`.
        can_show: Whether a character can be shown; all can by default.

    Attributes:
        hidden: The characters so far that could not be shown, a set.
    """

    def __init__(
        self, tokenizer, can_show: Callable[[str], bool] = lambda _: True
    ):
        self._token_bytes = tokenizer.token_bytes
        self._names = {
            token_id: name
            for name, token_id in tokenizer.special_tokens.items()
        }
        self._can_show = can_show
        self.hidden = set()

    def __call__(self, token_id: int) -> str:
        """Returns the label of a token."""
        if token_id in self._names:
            return self._names[token_id]
        piece = self._token_bytes(token_id)
        if not piece:
            return f"<{token_id}>"
        text = piece.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
        return self.spell(text)

    def spell(self, text: str) -> str:
        """Returns a whole text on one line, its backslashes as they are."""
        return "".join(map(self._spell, text))

    def _spell(self, character: str) -> str:
        if character == " ":
            return SPACE
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character.isprintable() and character != SPACE:
            if self._can_show(character):
                return character
            self.hidden.add(character)
        return "".join(f"\\x{byte:02x}" for byte in character.encode())


def width_of(label: str) -> int:
    """Returns how many columns of equal width a label takes."""
    return sum(map(_columns, label))


def fitted(label: str, width: int) -> str:
    """Returns the label, cut with `…` to at most so many columns."""
    if width_of(label) <= width:
        return label
    kept, room = "", width - 1
    for character in label:
        room -= _columns(character)
        if room < 0:
            break
        kept += character
    return kept + "…"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 1 + (unicodedata.east_asian_width(character) in "WF")
