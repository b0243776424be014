"""The parts of a template in, special tokens and texts, their ids out."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from gpt_keras.text.special_tokens import END_OF_TEXT


@dataclasses.dataclass(frozen=True)
class Special:
    """A special token of a template; no text gives its id.

    Attributes:
        name: Such as `<|response|>`.
    """

    name: str


@dataclasses.dataclass(frozen=True)
class Field:
    """Where a template has text of a user.

    Attributes:
        name: Such as `question`.
    """

    name: str


END = Special(END_OF_TEXT)
RESPONSE = Special("<|response|>")
USER = Special("<|user|>")
MESSAGES = Field("messages")


def special_ids(tokenizer, parts) -> dict[Special, int]:
    """Gives the ids of the special tokens among the parts of a template.

    Raises:
        ValueError: The tokenizer lacks one.
    """
    known = tokenizer.special_tokens
    specials = [part for part in parts if isinstance(part, Special)]
    missing = [part.name for part in specials if part.name not in known]
    if missing:
        raise ValueError(
            "The tokenizer must have the special tokens of the template. "
            f"Received: one without {', '.join(dict.fromkeys(missing))}."
        )
    return {part: known[part.name] for part in specials}


def encode_parts(
    tokenizer, rows: Sequence[Sequence[Special | str]]
) -> list[list[np.ndarray]]:
    """Gives the ids of each part of each row, on the host.

    Args:
        tokenizer: Has `encode_batch` and `special_tokens`.
        rows: Parts as `Template.fill` gives them.

    Returns:
        Int32 arrays, one a part.

    Raises:
        ValueError: The tokenizer lacks a special token, or a text has lone
            surrogates.
    """
    parts = [part for row in rows for part in row]
    specials = {
        part: np.array([token_id], np.int32)
        for part, token_id in special_ids(tokenizer, parts).items()
    }
    texts = [part for part in parts if isinstance(part, str)]
    encoded = iter(tokenizer.encode_batch(texts))
    return [
        [
            next(encoded) if isinstance(part, str) else specials[part]
            for part in row
        ]
        for row in rows
    ]
