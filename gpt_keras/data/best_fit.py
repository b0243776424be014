"""Lengths of texts in, rows that hold several of them for every step out."""

import bisect

import numpy as np

from gpt_keras.data.batch_layout import BatchLayout
from gpt_keras.data.batch_layout import check_texts


class BestFitRows:
    """Says which texts are in the rows of a step, and where in them.

    Rows are all of one length. Texts are put into them from the longest on,
    each where it leaves the least room (best fit decreasing), so that few
    positions are padding and no text is cut. A text that goes on with another
    one is the first of its row: nothing would tell it from what is before.

    What a step gets depends on the lengths, `seed` and the step alone. Each
    text comes once an epoch. Texts of one length change places from epoch to
    epoch, and so do rows; the last batch of an epoch may have rows without a
    text.

    Args:
        counts: `(n,)` integers from 1 to `length`, tokens of each text.
        is_first: `(n,)` boolean, whether a text may stand behind another.
        length: Of a row.
        batch_size: Rows of a batch.
        seed: Draws places and order; not negative.

    Raises:
        ValueError: There is no text, or a number is out of range.

    Attributes:
        num_batches: Of an epoch.

    Reference:
        Ding et al. 2024, Fewer Truncations Improve Language Modeling.
    """

    def __init__(
        self, counts, is_first, *, length: int, batch_size: int, seed: int = 0
    ):
        counts = np.asarray(counts, np.int64)
        is_first = np.asarray(is_first, bool)
        check_texts(counts, length, batch_size=batch_size)
        self._seed = seed
        self._num_tokens = int(counts.sum())
        self._shape = (batch_size, length)
        rows = _rows(counts, is_first, length)
        # What a place is for: texts that may take each other's have one kind.
        kinds = counts * 2 + is_first
        self._by_kind = np.argsort(kinds, kind="stable")
        self._kinds = kinds[self._by_kind]
        # Places by rows; in a row a text that is not a first one is in front.
        self._places = np.lexsort((-counts, is_first, rows))
        self._rows = rows[self._places]
        self._columns = _columns(counts[self._places], self._rows)
        self._num_rows = int(rows.max()) + 1
        self.num_batches = -(-self._num_rows // batch_size)
        self._epoch: tuple = (None, None)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Rows and width of the batches that there are."""
        return [self._shape]

    @property
    def tokens_per_batch(self) -> float:
        """Tokens of a batch, without padding, on average."""
        return self._num_tokens / self.num_batches

    @property
    def padding_share(self) -> float:
        """The share of an epoch's positions that have no token."""
        batch_size, length = self._shape
        return 1 - self._num_tokens / (self.num_batches * batch_size * length)

    def layout(self, step: int) -> BatchLayout:
        """Returns what a step gets.

        Args:
            step: From 0 on; epochs follow each other.
        """
        number, place = divmod(int(step), self.num_batches)
        texts, order = self._drawn(number)
        first = place * self._shape[0]
        chosen = order[first : first + self._shape[0]]
        starts = np.searchsorted(self._rows, chosen)
        ends = np.searchsorted(self._rows, chosen, side="right")
        places = np.concatenate(
            [np.arange(*pair) for pair in zip(starts, ends, strict=True)]
        )
        return BatchLayout(
            self._shape,
            texts[places],
            np.repeat(np.arange(len(chosen)), ends - starts),
            self._columns[places],
        )

    def _drawn(self, number: int):
        """Returns an epoch's texts by place, and its order of the rows."""
        last, epoch = self._epoch
        if last != number:
            epoch = self._draw(number)
            self._epoch = (number, epoch)
        return epoch

    def _draw(self, number: int):
        # Raw bits stay the same in every version of NumPy.
        bits = np.random.Philox(np.random.SeedSequence([self._seed, number]))
        keys = bits.random_raw(len(self._kinds))
        shuffled = self._by_kind[np.lexsort((keys, self._kinds))]
        # The text that takes the place of each one; those are of its kind.
        instead = np.empty_like(shuffled)
        instead[self._by_kind] = shuffled
        order = np.argsort(bits.random_raw(self._num_rows), kind="stable")
        return instead[self._places], order


def _rows(counts, is_first, length: int) -> np.ndarray:
    """Returns the row of each text, `(n,)` int64."""
    rows = np.empty(len(counts), np.int64)
    open_rows = [[] for _ in range(length + 1)]  # by the room that is left
    rooms = []  # those that are there, ascending
    number = 0
    # First those that need a row of their own, then from the longest on.
    for text in np.lexsort((-counts, is_first)).tolist():
        count = int(counts[text])
        place = bisect.bisect_left(rooms, count)
        if is_first[text] and place < len(rooms):
            room = rooms[place]
            row = open_rows[room].pop()
            if not open_rows[room]:
                del rooms[place]
        else:
            room, row = length, number
            number += 1
        rows[text] = row
        room -= count
        if room:
            if not open_rows[room]:
                bisect.insort(rooms, room)
            open_rows[room].append(row)
    return rows


def _columns(counts, rows) -> np.ndarray:
    """Returns where each text begins in its row; they stand row by row."""
    before = np.cumsum(counts) - counts
    return before - before[np.searchsorted(rows, rows)]
