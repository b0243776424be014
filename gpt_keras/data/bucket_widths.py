"""Lengths of texts in, the widths that pad them least out."""

import numpy as np

_MOST_WIDTHS = 256  # that are looked at


def best_widths(counts, length: int, num_buckets: int) -> np.ndarray:
    """Chooses the widths by which texts need the least padding.

    Args:
        counts: `(n,)`, tokens of each text.
        length: No width is larger.
        num_buckets: The most widths.

    Returns:
        Widths, ascending; each text fits into the last one. Where there are
        more than 256 different lengths, they are multiples of a number.
    """
    step = -(-length // _MOST_WIDTHS)
    rounded = np.minimum(-(-counts // step) * step, length)
    widths, numbers = np.unique(rounded, return_counts=True)
    below = np.concatenate([[0], np.cumsum(numbers)])  # texts of less width
    # positions[i, j]: of texts from width i on, up to width j, in a bucket.
    positions = widths * (below[None, 1:] - below[:-1, None])
    positions = np.where(positions > 0, positions.astype(float), np.inf)
    least, choices = positions[0], []
    for _ in range(min(num_buckets, len(widths)) - 1):
        # Of one bucket more, which begins at i.
        totals = np.concatenate([[np.inf], least[:-1]])[:, None] + positions
        choices.append(totals.argmin(0))
        least = totals.min(0)
    return widths[_ends(choices, len(widths))]


def _ends(choices, count: int) -> list[int]:
    """Follows the choices back; returns the last width of each bucket."""
    ends = [count - 1]
    for firsts in reversed(choices):
        ends.append(int(firsts[ends[-1]]) - 1)
    return ends[::-1]
