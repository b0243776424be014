"""Token ids in, passages out: what a model reads, and what of it is scored.

Every evaluation comes to passages: a window of running text, the last word of
a paragraph, an answer behind its question.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Passage(NamedTuple):
    """Tokens of which the last ones are scored, each behind all before it.

    Attributes:
        token_ids: `(length,)` int32; the first is never scored.
        num_scored: How many of them, at the end, are scored.
        where: What to call it in an error.
        num_cut: Tokens of the context that did not fit.
    """

    token_ids: np.ndarray
    num_scored: int
    where: str
    num_cut: int = 0


def window_passages(
    token_ids, max_length: int, stride: int, where: str
) -> Iterator[Passage]:
    """Cuts running text into windows that begin every `stride` tokens.

    A window scores the tokens that no earlier one has scored: the first all of
    its tokens, the others `stride` each, behind `max_length` - `stride` + 1
    tokens of context at least.

    Args:
        token_ids: `(length,)` int32. The first is context only; each of the
            others is scored exactly once.
        max_length: Tokens that the model reads at a time.
        stride: Tokens from one window to the next.
        where: What to call the text in an error.

    Raises:
        ValueError: `stride` is not in [1, max_length].
    """
    if not 1 <= stride <= max_length:
        raise ValueError(
            f"`stride` must be from 1 to the window of {max_length} tokens. "
            f"Received: stride={stride}"
        )
    count = len(token_ids) - 1
    scored = 0
    for start in range(0, count, stride):
        end = min(start + max_length, count)
        yield Passage(
            token_ids[start : end + 1],
            end - scored,
            f"{where}, from token {scored + 1}",
        )
        scored = end
        if end == count:
            return


def passage_behind(
    context_ids, scored_ids, max_length: int, where: str
) -> Passage:
    """Puts tokens behind their context, of which the end that fits is kept.

    Args:
        context_ids: One token or more.
        scored_ids: One token or more, all of which are scored.
        max_length: Tokens that the model reads at a time.
        where: What to call the passage in an error.

    Raises:
        ValueError: There is nothing to score, or more than the model can
            read behind one token of context.
    """
    count = len(scored_ids)
    if not 1 <= count <= max_length:
        raise ValueError(
            f"What is scored must have from 1 to {max_length} tokens. "
            f"Received: {count} tokens, {where}"
        )
    token_ids = np.concatenate([context_ids, scored_ids]).astype(np.int32)
    # The last token is not read, only scored.
    cut = max(0, len(token_ids) - (max_length + 1))
    return Passage(token_ids[cut:], count, where, cut)
