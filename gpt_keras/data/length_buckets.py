"""Lengths of texts in, batches of similar lengths for every step out.

Padding and the number of shapes are both small: a batch has one of a few
widths, chosen so that as few positions as possible are padding.
"""

from typing import NamedTuple

import numpy as np

from gpt_keras.data.batch_layout import BatchLayout
from gpt_keras.data.batch_layout import check_texts
from gpt_keras.data.bucket_widths import best_widths


class Epoch(NamedTuple):
    """The batches of an epoch, one after the other.

    Attributes:
        rows: `(rows of all batches,)` int64: which text stands there, -1 where
            there is none.
        order: `(batches,)`: which batch comes when.
    """

    rows: np.ndarray
    order: np.ndarray


class LengthBuckets:
    """Says which texts are in the batch of a step, and how wide it is.

    What a step gets depends on the lengths, `seed` and the step alone. Each
    text comes once an epoch, and the number of batches of an epoch is always
    the same. Where texts of a bucket are left over, they go to the next wider
    one, drawn anew in each epoch; only one batch an epoch, of the widest, may
    have rows without a text.

    A batch has about the same number of positions whatever its width:
    `batch_size` rows times as often as the width fits into `length`. Rows are
    so a multiple of `batch_size`, and come out even on as many devices.

    Args:
        counts: `(n,)` integers from 1 to `length`, tokens of each text.
        length: The longest text that is possible.
        batch_size: Rows of a batch of texts as long as that.
        num_buckets: The most widths.
        seed: Draws which texts meet and in which order; not negative.

    Raises:
        ValueError: There is no text, or a number is out of range.

    Attributes:
        widths: `(buckets,)`, tokens in a row of each, ascending.
        rows: `(buckets,)`, rows of a batch of each.
        num_batches: Of an epoch.
    """

    def __init__(
        self,
        counts,
        *,
        length: int,
        batch_size: int,
        num_buckets: int = 8,
        seed: int = 0,
    ):
        counts = np.asarray(counts, np.int64)
        sizes = {"batch_size": batch_size, "num_buckets": num_buckets}
        check_texts(counts, length, **sizes)
        self._seed = seed
        self._num_tokens = int(counts.sum())
        self.widths = best_widths(counts, length, num_buckets)
        self.rows = batch_size * (length // self.widths)
        places = np.searchsorted(self.widths, counts)
        self._members = [
            np.flatnonzero(places == index) for index in range(len(self.widths))
        ]
        self._batches = self._count_batches()
        self.num_batches = int(self._batches.sum())
        # The bucket of each batch, and where its rows begin in `Epoch.rows`.
        self._buckets = np.repeat(np.arange(len(self.rows)), self._batches)
        sizes = self.rows[self._buckets]
        self._borders = np.concatenate([[0], np.cumsum(sizes)])
        self._epoch: tuple = (None, None)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Rows and width of the batches that there are."""
        return [
            (int(rows), int(width))
            for rows, width, number in zip(
                self.rows, self.widths, self._batches, strict=True
            )
            if number
        ]

    @property
    def tokens_per_batch(self) -> float:
        """Tokens of a batch, without padding, on average."""
        return self._num_tokens / self.num_batches

    @property
    def padding_share(self) -> float:
        """The share of an epoch's positions that have no token."""
        positions = (self._batches * self.rows * self.widths).sum()
        return 1 - self._num_tokens / float(positions)

    def batch(self, step: int) -> tuple[int, np.ndarray]:
        """Returns what a step gets.

        Args:
            step: From 0 on; epochs follow each other.

        Returns:
            The width, and `(rows,)` int64, the index of the text of each row;
            -1 where there is none.
        """
        number, place = divmod(int(step), self.num_batches)
        epoch = self._drawn(number)
        index = epoch.order[place]
        rows = epoch.rows[self._borders[index] : self._borders[index + 1]]
        return int(self.widths[self._buckets[index]]), rows

    def layout(self, step: int) -> BatchLayout:
        """Returns the same as `batch` does, a text in a row."""
        width, texts = self.batch(step)
        rows = np.flatnonzero(texts >= 0)
        return BatchLayout(
            (len(texts), width), texts[rows], rows, np.zeros_like(rows)
        )

    def _count_batches(self) -> np.ndarray:
        """Returns how many batches of an epoch each bucket has."""
        batches, left = [], 0
        for members, rows in zip(self._members, self.rows, strict=True):
            count, left = divmod(len(members) + left, int(rows))
            batches.append(count)
        batches[-1] += left > 0
        return np.array(batches)

    def _drawn(self, number: int) -> Epoch:
        """Returns an epoch, the last one from memory."""
        last, epoch = self._epoch
        if last != number:
            epoch = self._draw(number)
            self._epoch = (number, epoch)
        return epoch

    def _draw(self, number: int) -> Epoch:
        # Raw bits stay the same in every version of NumPy; its own shuffles
        # need not.
        bits = np.random.Philox(np.random.SeedSequence([self._seed, number]))

        def shuffled(values):
            keys = bits.random_raw(len(values))
            return values[np.argsort(keys, kind="stable")]

        left = np.zeros(0, np.int64)
        chosen = []
        for members, rows, batches in zip(
            self._members, self.rows, self._batches, strict=True
        ):
            pool = shuffled(np.concatenate([left, members]))
            chosen.append(pool[: rows * batches])
            left = pool[rows * batches :]
        missing = self._borders[-1] - sum(map(len, chosen))
        chosen.append(np.full(missing, -1))
        order = shuffled(np.arange(self.num_batches))
        return Epoch(np.concatenate(chosen), order)
