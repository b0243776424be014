"""Words as rows of byte tokens come in, the same words as byte pairs go out,
inside the graph.
"""

import numpy as np
import tensorflow as tf

_NO_MERGE = np.int32(np.iinfo(np.int32).max)


class BytePairMerging(tf.Module):
    """Merges the pairs of every word at once, a step of all words at a time.

    Args:
        merges: `(left, right, result)` token ids, the first merge foremost.
        vocab_size: number of ids, to number the pairs.
    """

    def __init__(self, merges: np.ndarray, vocab_size: int):
        super().__init__(name="byte_pair_merging")
        merges = np.asarray(merges, np.int64).reshape(-1, 3)
        self._num_ids = vocab_size + 1  # with the separator's
        self._results = merges[:, 2]
        self._one_by_one = _one_by_one(merges, vocab_size)
        pairs = merges[:, 0] * self._num_ids + merges[:, 1]
        ranks = np.arange(len(merges), dtype=np.int32)
        with tf.device("CPU:0"):
            self._ranks = tf.lookup.StaticHashTable(
                # With a pair that no ids have: a table cannot be empty.
                tf.lookup.KeyValueTensorInitializer(
                    np.append(pairs, -1), np.append(ranks, _NO_MERGE)
                ),
                default_value=_NO_MERGE,
            )

    def __call__(self, tokens, words, num_words):
        """Merges until no pair of neighbours in a word is left to merge.

        Args:
            tokens: ids of single bytes, all words in a row with one separator,
                the id `vocab_size`, before each and after the last,
                `(length,)` int64.
            words: the number of each token's word, ascending, `(length,)`.
            num_words: scalar, more than each of `words`.

        Returns:
            `tokens` and `words`, as above and not longer.
        """

        def unfinished(tokens, words, ranks):
            return tf.reduce_any(ranks < _NO_MERGE)

        def merge(tokens, words, ranks):
            best = tf.math.unsorted_segment_min(ranks, words, num_words)
            found = (ranks == tf.gather(best, words)) & (ranks < _NO_MERGE)
            at = self._without_clashes(tf.where(found)[:, 0], words, ranks)
            result = tf.gather(self._results, tf.gather(ranks, at))
            tokens = tf.tensor_scatter_nd_update(tokens, at[:, None], result)
            return self._close_gaps(tokens, words, ranks, at)

        ranks = self._ranks_of(tokens[:-1], tokens[1:])
        tokens, words, _ = tf.while_loop(
            unfinished,
            merge,
            [tokens, words, tf.concat([ranks, [_NO_MERGE]], 0)],
            shape_invariants=[tf.TensorShape([None])] * 3,
        )
        return tokens, words

    def _without_clashes(self, at, words, ranks):
        """Drops the pairs that must wait for one before them in their word."""
        before = tf.concat([[-2], at[:-1]], 0)
        # In `a a a` the pairs overlap: of a run, take every second.
        starts = at != before + 1
        run = tf.cumsum(tf.cast(starts, tf.int32)) - 1
        offset = at - tf.gather(at, tf.gather(tf.where(starts)[:, 0], run))
        word = tf.gather(words, at)
        first = word != tf.concat([[-1], word[:-1]], 0)
        waits = tf.gather(self._one_by_one, tf.gather(ranks, at)) & ~first
        ready = (offset % 2 == 0) & ~waits
        return tf.gather(at, tf.where(ready)[:, 0])

    def _close_gaps(self, tokens, words, ranks, at):
        """Removes each merged pair's right half and ranks the new pairs."""
        size = tf.size(tokens)
        ones = tf.ones_like(at, tf.int32)
        gone = tf.scatter_nd((at + 1)[:, None], ones, [size])
        kept = tf.where(gone == 0)[:, 0]
        tokens, words, ranks = (
            tf.gather(values, kept) for values in (tokens, words, ranks)
        )
        at -= tf.range(tf.size(at, tf.int64))
        changed = tf.concat([at - 1, at], 0)
        new = self._ranks_of(
            tf.gather(tokens, changed), tf.gather(tokens, changed + 1)
        )
        ranks = tf.tensor_scatter_nd_update(ranks, changed[:, None], new)
        return tokens, words, ranks

    def _ranks_of(self, left, right):
        return self._ranks.lookup(left * self._num_ids + right)


def _one_by_one(merges: np.ndarray, vocab_size: int) -> np.ndarray:
    """Marks the merges whose result takes part in an earlier merge.

    After such a merge the earlier one comes first, before the next pair of
    this one. There are some where two merges have the same result.
    """
    first_use = np.full(vocab_size, len(merges))
    order = np.arange(len(merges))
    np.minimum.at(first_use, merges[:, 0], order)
    np.minimum.at(first_use, merges[:, 1], order)
    return first_use[merges[:, 2]] < order
