"""A tokenizer's vocabulary comes in, its bytes as tensors to look up in out."""

import numpy as np
import tensorflow as tf

from gpt_keras.generation.byte_search import find_ranges
from gpt_keras.generation.byte_search import first_bytes
from gpt_keras.generation.byte_search import pack


class TokenTable:
    """The bytes of all tokens, and where among them a byte string occurs.

    The tokens, and all ends of all tokens, are sorted by their bytes, so that
    those which begin with a given string stand side by side.

    Args:
        tokenizer: Has `vocab_size` and `token_bytes`.
    """

    def __init__(self, tokenizer):
        tokens = [
            tokenizer.token_bytes(token_id)
            for token_id in range(tokenizer.vocab_size)
        ]
        self.vocab_size = len(tokens)
        sizes = np.array([*map(len, tokens), 0], np.int32)
        # Each token's bytes, then -1, which sorts before every byte.
        starts = np.concatenate([[0], np.cumsum(sizes[:-1] + 1)])
        spelt = np.full(starts[-1] + 1, -1, np.int32)
        is_byte = np.ones(len(spelt), bool)
        is_byte[starts[1:] - 1] = is_byte[-1] = False
        spelt[is_byte] = np.frombuffer(b"".join(tokens), np.uint8)
        by_bytes = sorted(range(len(tokens)), key=tokens.__getitem__)
        with tf.init_scope():  # shared by all graphs
            self._sizes = tf.constant(sizes)
            self._starts = tf.constant(starts, tf.int32)
            self._spelt = pack(tf.constant(spelt))
            self._by_bytes = tf.constant(by_bytes, tf.int32)
            self._ends = tf.constant(_sorted_ends(tokens, starts), tf.int32)

    def sizes_of(self, token_ids):
        """Returns how many bytes tokens have, 0 for ids out of range."""
        return tf.gather(self._sizes, self._known(token_ids))

    def bytes_of(self, token_ids):
        """Returns the bytes of one token in each row.

        Args:
            token_ids: `(batch,)` int32.

        Returns:
            `(batch, width)` int32, as wide as the longest of these tokens, -1
            behind the others' ends. Ids out of range have none.
        """
        token_ids = self._known(token_ids)
        sizes = tf.gather(self._sizes, token_ids)[:, None]
        places = tf.range(tf.reduce_max(tf.pad(sizes, [[0, 1], [0, 0]])))
        starts = tf.gather(self._starts, token_ids)[:, None]
        return self._bytes_at(tf.where(places < sizes, starts + places, -1))

    def last_bytes(self, token_ids, lengths, size):
        """Returns the bytes at the end of each row's tokens.

        Args:
            token_ids: `(batch, length)` int32, `length` at least 1.
            lengths: `(batch,)` int32, the tokens of each row.
            size: How many bytes.

        Returns:
            `(batch, size)` int32, -1 before the beginning of shorter texts.
        """
        is_kept = tf.sequence_mask(lengths, tf.shape(token_ids)[1])
        token_ids = self._known(tf.where(is_kept, token_ids, -1))
        sizes = tf.gather(self._sizes, token_ids)
        ends = tf.cumsum(sizes, -1)
        # From a place in the row's text to that in the vocabulary's.
        shifts = tf.gather(self._starts, token_ids) - (ends - sizes)
        places = ends[:, -1:] + tf.range(-size, 0)
        token = tf.raw_ops.UpperBound(sorted_inputs=ends, values=places)
        shifts = tf.gather(shifts, token, batch_dims=1)
        return self._bytes_at(tf.where(places >= 0, places + shifts, -1))

    def begin_with(self, strings):
        """Finds the tokens that strings which have begun may go on with.

        Args:
            strings: `(count, width)` int32 bytes, padded with -1.

        Returns:
            Two tensors `(count, width)` int32: of the sorted tokens the first
            that begins with all bytes behind place `k`, and the one after the
            last. Equal where none does or no bytes are left.
        """
        behind = tf.pad(strings, [[0, 0], [0, 1]], constant_values=-1)[:, 1:]
        rests = tf.cast(tf.where(behind >= 0), tf.int32)
        low, high = find_ranges(
            self._spelt,
            tf.gather(self._starts, self._by_bytes),
            strings,
            rests + [0, 1],
        )
        shape = tf.shape(strings)
        low = tf.scatter_nd(rests, low, shape)
        return low, tf.scatter_nd(rests, high, shape)

    def contain(self, strings, is_member):
        """Finds the tokens that hold one of a row's strings.

        Args:
            strings: `(count, width)` int32 bytes, padded with -1.
            is_member: `(batch, count)` boolean, the strings of each row.

        Returns:
            `(batch, vocab_size)` boolean.
        """
        number = tf.range(tf.shape(strings)[0])
        low, high = find_ranges(
            self._spelt,
            self._ends,
            strings,
            tf.stack([number, tf.zeros_like(number)], 1),
        )
        pairs = tf.where(is_member)
        rows, places = _spread(
            pairs[:, 0],
            tf.gather(low, pairs[:, 1]),
            tf.gather(high, pairs[:, 1]),
        )
        places = tf.gather(self._ends, places)
        # A place is in the last token that begins at or before it.
        after = tf.raw_ops.UpperBound(
            sorted_inputs=self._starts[None], values=places[None]
        )[0]
        shape = tf.stack([tf.shape(is_member)[0], self.vocab_size])
        return _mark(tf.zeros(shape, bool), rows, after - 1)

    def mark(self, is_marked, rows, low, high):
        """Marks the tokens of ranges in the sorted order.

        Args:
            is_marked: `(batch, vocab_size)` boolean.
            rows: `(count,)` int64, the row of each range.
            low: `(count,)` int32, as `begin_with` gives it.
            high: `(count,)` int32.

        Returns:
            `is_marked`, with the tokens.
        """
        rows, places = _spread(rows, low, high)
        return _mark(is_marked, rows, tf.gather(self._by_bytes, places))

    def _known(self, token_ids):
        last = tf.size(self._sizes) - 1
        is_known = (token_ids >= 0) & (token_ids < last)
        return tf.where(is_known, token_ids, last)

    def _bytes_at(self, places):
        last = tf.size(self._spelt) - 1  # where no byte is
        places = tf.where(places >= 0, places, last)
        return first_bytes(tf.gather(self._spelt, places))


def _sorted_ends(tokens, starts):
    """Returns where the ends of all tokens begin, in their bytes' order."""
    ends = [
        (token[n:], start + n)
        for token, start in zip(tokens, starts[:-1].tolist(), strict=True)
        for n in range(len(token))
    ]
    return [place for _, place in sorted(ends)]


def _spread(rows, low, high):
    """Returns every place of ranges, and its row."""
    ranges = tf.ragged.range(low, high)
    return tf.gather(rows, ranges.value_rowids()), ranges.flat_values


def _mark(is_marked, rows, tokens):
    pairs = tf.stack([rows, tf.cast(tokens, tf.int64)], 1)
    return tf.tensor_scatter_nd_update(
        is_marked, pairs, tf.ones_like(rows, tf.bool)
    )
