"""The parts of a template in, special tokens and texts, their ids out."""

import dataclasses
from collections.abc import Mapping
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


def special_ids(special_tokens: Mapping[str, int], parts) -> dict[Special, int]:
    """Gives the ids of the special tokens among the parts of a template.

    Args:
        special_tokens: Ids by name, as a tokenizer has them.
        parts: `Special` and others.

    Raises:
        ValueError: One is missing.
    """
    names = [part.name for part in parts if isinstance(part, Special)]
    missing = [name for name in names if name not in special_tokens]
    if missing:
        raise ValueError(
            "The tokenizer must have the special tokens of the template. "
            f"Received: one without {', '.join(dict.fromkeys(missing))}."
        )
    return {Special(name): special_tokens[name] for name in names}


def encode_parts(
    encoder,
    special_tokens: Mapping[str, int],
    rows: Sequence[Sequence[Special | str]],
) -> list[list[np.ndarray]]:
    """Gives the ids of each part of each row, on the host.

    Args:
        encoder: Has `encode_batch(texts)`, as a tokenizer.
        special_tokens: Ids by name.
        rows: Parts as `Template.fill` gives them.

    Returns:
        Int32 arrays, one a part.

    Raises:
        ValueError: A special token is missing, or a text has lone surrogates.
    """
    parts = [part for row in rows for part in row]
    specials = {
        part: np.array([token_id], np.int32)
        for part, token_id in special_ids(special_tokens, parts).items()
    }
    texts = [part for part in parts if isinstance(part, str)]
    encoded = iter(encoder.encode_batch(texts))
    return [
        [
            next(encoded) if isinstance(part, str) else specials[part]
            for part in row
        ]
        for row in rows
    ]
