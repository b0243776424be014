"""Sizes and weights of several sources in, the order of a mixed run out.

Like that of one source it is a function of (seed, window) alone, and begins
anywhere at once.
"""

import dataclasses
import fractions
import math
from collections.abc import Sequence

import tensorflow as tf

from gpt_keras.data import packing

# Windows times this fit 64 bits for 8e12 windows.
_LARGEST_SUM = 2**20
_GOLDEN = 0x9E3779B97F4A7C15  # odd: every source gets a seed of its own


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Sources that lie one after the other in one stream of tokens.

    Args:
        sizes: Tokens of each.
        weights: Positive integers: how many of the first `sum(weights)`
            windows, and of every as many that follow, are from each.
    """

    sizes: tuple[int, ...]
    weights: tuple[int, ...]

    def shares(self) -> list[float]:
        """The weights as parts of 1."""
        return [weight / sum(self.weights) for weight in self.weights]

    def window_starts(self, indices, *, length: int, seed: int):
        """Where the windows of a run begin, in their order of training.

        Each source is gone through by epochs of its own, in the order of
        `packing.window_starts`. The windows of a source are spread evenly:
        the first n of a run have its share of n, but for half a window for
        each source.

        Args:
            indices: `(n,)`, int64: the first window of the run is 0.
            length: Tokens in a window.
            seed: Draws offsets and orders.

        Returns:
            `(n,)`, int64, in the stream of all sources.

        Raises:
            ValueError: A source is shorter than one window.
        """
        first = 0
        starts = tf.zeros_like(tf.convert_to_tensor(indices, tf.int64))
        for number, (size, mine) in enumerate(
            zip(self.sizes, self._counts(indices), strict=True)
        ):
            is_mine, index = mine
            inside = packing.window_starts(
                index,
                num_tokens=size,
                length=length,
                seed=seed + number * _GOLDEN,
            )
            starts = tf.where(is_mine, first + inside, starts)
            first += size
        return starts

    def _counts(self, indices):
        """For each source: whether a window is its, and how many were.

        The first source takes a window whenever its share of those so far
        comes nearer to the next whole number; the next source does so with
        what is left.
        """
        left = tf.convert_to_tensor(indices, tf.int64)
        left_after, rest = left + 1, sum(self.weights)
        for weight in self.weights:
            before, after = (
                (n * weight + rest // 2) // rest for n in (left, left_after)
            )
            yield after > before, before
            left, left_after = left - before, left_after - after
            rest -= weight


def whole_weights(weights: Sequence[fractions.Fraction]) -> tuple[int, ...]:
    """Returns the least integers that stand to each other as weights do.

    Raises:
        ValueError: A weight is not positive, or the integers would be large.
    """
    if not all(weight > 0 for weight in weights):
        raise ValueError(
            "Weights must be positive. Received: "
            f"{', '.join(map(str, map(float, weights)))}."
        )
    common = math.lcm(*(weight.denominator for weight in weights))
    found = [int(weight * common) for weight in weights]
    divisor = math.gcd(*found)
    found = [weight // divisor for weight in found]
    if sum(found) > _LARGEST_SUM:
        raise ValueError(
            "Weights must stand to each other as whole numbers whose sum is "
            f"{_LARGEST_SUM:,} or less. Received: {found}."
        )
    return tuple(found)


def weights_by_size(sizes: Sequence[int]) -> tuple[int, ...]:
    """Weights by which every source has as many epochs, nearly."""
    total = sum(sizes)
    steps = _LARGEST_SUM - len(sizes)
    found = [max(1, size * steps // total) for size in sizes]
    divisor = math.gcd(*found)
    return tuple(weight // divisor for weight in found)
