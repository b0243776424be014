"""Figures of rows in, an interval of what they come to together out."""

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

NUM_SAMPLES = 1000
SEED = 12345  # as sacreBLEU's
_CONFIDENCE = 95  # percent


def interval(
    statistic: Callable[[np.ndarray], float],
    num_rows: int,
    num_samples: int = NUM_SAMPLES,
    seed: int = SEED,
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of a statistic at 95%.

    Args:
        statistic: Takes the indices of drawn rows, `(num_rows,)`.
        num_rows: How many there are, one or more.
        num_samples: How often as many rows are drawn, with replacement.
        seed: Of the drawing.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: There are no rows, or less than 2 samples are asked for.

    Reference:
        Efron and Tibshirani 1993, An Introduction to the Bootstrap, §13.3.
    """
    if num_rows < 1 or num_samples < 2:
        raise ValueError(
            "There must be one row or more, and 2 samples or more. Received: "
            f"{num_rows} rows, num_samples={num_samples}"
        )
    random = np.random.default_rng(seed)
    values = [
        statistic(random.integers(0, num_rows, num_rows))
        for _ in range(num_samples)
    ]
    edge = (100 - _CONFIDENCE) / 2
    low, high = np.percentile(values, [edge, 100 - edge])
    return float(low), float(high)


def mean_interval(
    values: Sequence[float], num_samples: int = NUM_SAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """Returns the interval of the mean of the rows' values.

    Args:
        values: Of each row, one or more.
        num_samples: As of `interval`.
        seed: As of `interval`.

    Raises:
        ValueError: As `interval`.
    """
    values = np.asarray(values, np.float64)
    return interval(
        lambda rows: values[rows].mean(), values.size, num_samples, seed
    )
