"""Where texts stand in a batch in, the batch out."""

from typing import NamedTuple

import numpy as np

from gpt_keras.data.document_spans import DocumentSpans
from gpt_keras.data.document_spans import read_span
from gpt_keras.data.response_loss import ResponseLoss
from gpt_keras.data.token_store import TokenSplit


class BatchLayout(NamedTuple):
    """The texts of a batch; where there is none, there is padding.

    Attributes:
        shape: Rows and width.
        texts: `(n,)` integers, which texts there are.
        rows: `(n,)` integers, the row of each.
        columns: `(n,)` integers, where in the row it begins.
    """

    shape: tuple[int, int]
    texts: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def read_layout(
    split: TokenSplit,
    spans: DocumentSpans,
    layout: BatchLayout,
    loss: ResponseLoss | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads the pieces of documents of a batch.

    Args:
        split: The tokens.
        spans: Their pieces, which are the texts.
        layout: Which of them stand where.
        loss: Gives labels and weights; None: every token is a label.

    Returns:
        token_ids, labels and sample_weight, each `(rows, width)`: int32, int32
        and float32; 0 at padding.
    """
    token_ids = np.zeros(layout.shape, np.int32)
    labels = np.zeros(layout.shape, np.int32)
    weights = np.zeros(layout.shape, np.float32)
    for text, row, column in zip(*layout[1:], strict=True):
        count = spans.counts[text]
        tokens = read_span(split, spans.starts[text], count)
        place = slice(column, column + count)
        token_ids[row, place] = tokens[:-1]
        if loss is None:
            labels[row, place] = tokens[1:]
            weights[row, place] = 1
        else:
            labels[row, place], weights[row, place] = loss(tokens)
    return token_ids, labels, weights


def check_texts(counts, length: int, **sizes: int) -> None:
    """Raises ValueError unless texts fit into `length` and sizes are positive.

    Args:
        counts: `(n,)`, tokens of each text.
        length: The most that a text may have.
        **sizes: Numbers by name.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"`{name}` must be positive. Received: {size}.")
    if not counts.size or counts.min() < 1 or counts.max() > length:
        received = (
            f"{counts.min()} to {counts.max()}" if counts.size else "no text"
        )
        raise ValueError(
            f"Texts must have from 1 to `length`={length} tokens, and be one "
            f"or more. Received: {received}."
        )
