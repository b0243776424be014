"""Prompts with their responses in, the ids of each out, or none if too long.

Without TensorFlow, which a process that encodes does not import.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpt_keras.text.template_parts import Special
from gpt_keras.text.template_parts import encode_parts


@dataclasses.dataclass(frozen=True)
class PairText:
    """One document of a store: a prompt and the response to it.

    Attributes:
        template: Of the prompt, a `Template`.
        prompt: As `Template.fill` gives it, `<|endoftext|>` first.
        response: Text.
        max_tokens: The most tokens, with one `<|endoftext|>`.
    """

    template: Any
    prompt: tuple[Special | str, ...]
    response: str
    max_tokens: int

    @property
    def texts(self) -> list[str]:
        """The texts, those of the prompt first; special tokens are none."""
        parts = (*self.prompt, self.response)
        return [part for part in parts if isinstance(part, str)]


def encode_pairs(
    encoder, special_tokens: Mapping[str, int], pairs: Sequence[PairText]
) -> list[np.ndarray | None]:
    """Gives the ids of pairs, `<|endoftext|>` left out on either side.

    What is too long is cut in the prompt, where its template says.

    Args:
        encoder: Has `encode_batch(texts)`.
        special_tokens: Ids by name.
        pairs: Any number.

    Returns:
        Int32 arrays; None where a pair does not fit with nothing left of what
        may be cut.

    Raises:
        ValueError: As `encode_parts`.
    """
    rows = [(*pair.prompt, pair.response) for pair in pairs]
    encoded = encode_parts(encoder, special_tokens, rows)
    return [_fitted(*both) for both in zip(pairs, encoded, strict=True)]


def _fitted(pair: PairText, parts: list[np.ndarray]) -> np.ndarray | None:
    *prompt, response = parts
    try:
        prompt = pair.template.cut(prompt, pair.max_tokens, len(response))
    except ValueError:
        return None
    return np.concatenate([*prompt[1:], response])
