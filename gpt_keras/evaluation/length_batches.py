"""Lengths of passages in, batches of passages of about the same length out."""

import numpy as np


def length_batches(lengths, tokens_per_batch: int) -> list[np.ndarray]:
    """Groups passages so that little of a batch is padding.

    The longest come first: if memory is too small, it is told at once.

    Args:
        lengths: `(passages,)` integers.
        tokens_per_batch: The most tokens in a batch, padding included; a
            longer passage gets a batch of its own.

    Returns:
        The indices of each batch's passages, every passage once.

    Raises:
        ValueError: `tokens_per_batch` is not positive.
    """
    if tokens_per_batch < 1:
        raise ValueError(
            "`tokens_per_batch` must be positive. Received: "
            f"tokens_per_batch={tokens_per_batch}"
        )
    lengths = np.asarray(lengths, np.int64)
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, tokens_per_batch // max(1, lengths[order[start]]))
        batches.append(order[start : start + rows])
        start += rows
    return batches
