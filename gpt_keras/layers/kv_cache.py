"""The key-value cache as data: new keys and values in, the cache out.

The layout puts heads before positions, `(batch, num_heads, max_length,
head_dim)`, so that a decoding step reads each head's keys in one run.
"""

from typing import Any
from typing import NamedTuple

from keras import ops


class KVCache(NamedTuple):
    """What one attention layer remembers of each row.

    Attributes:
        keys: `(batch, num_heads, max_length, head_dim)`.
        values: `(batch, num_heads, max_length, head_dim)`.
        lengths: `(batch,)` int32, the positions of each row that are filled.
            What stands at later positions is never read.
        document_starts: `(batch,)` int32, where the document begins that each
            row is in; `()` where documents are not told apart.
    """

    keys: Any
    values: Any
    lengths: Any
    document_starts: Any = ()

    @property
    def max_length(self) -> int:
        """The number of positions that fit into a row."""
        return ops.shape(self.keys)[2]


def empty_cache(
    batch_size: int, num_heads: int, max_length: int, head_dim: int, dtype: str
) -> KVCache:
    """Returns a cache with no position filled."""
    shape = (batch_size, num_heads, max_length, head_dim)
    return KVCache(
        keys=ops.zeros(shape, dtype=dtype),
        values=ops.zeros(shape, dtype=dtype),
        lengths=ops.zeros((batch_size,), dtype="int32"),
    )


def extend_cache(
    cache: KVCache, keys, values, mask=None, document_starts=None
) -> KVCache:
    """Writes new positions behind the filled ones of every row.

    Args:
        cache: The cache so far. It is not changed.
        keys: `(batch, num_heads, length, head_dim)`, the new keys.
        values: `(batch, num_heads, length, head_dim)`, the new values.
        mask: Boolean `(batch, length)`, True where there is a token; the
            tokens of a row stand at its left. None means all are tokens.
        document_starts: `(batch, length)` int32, where the document of each
            new position begins, or None.

    Returns:
        The cache with `lengths` grown by each row's number of tokens. A row
        must have room for all `length` positions, padding included.
    """
    batch, num_heads, length, head_dim = ops.shape(keys)
    added = length if mask is None else ops.sum(ops.cast(mask, "int32"), -1)
    indices = _flat_indices(cache.lengths, batch, num_heads, length)

    def write(old, new):
        new = ops.cast(ops.reshape(new, (-1, head_dim)), old.dtype)
        return ops.scatter_update(old, indices, new)

    started = cache.document_starts
    if document_starts is not None:
        # It never falls along a row, so that the last one is the largest.
        started = ops.max(document_starts, axis=-1, initial=0)
    return KVCache(
        keys=write(cache.keys, keys),
        values=write(cache.values, values),
        lengths=cache.lengths + added,
        document_starts=started,
    )


def _flat_indices(lengths, batch, num_heads, length):
    """Returns (row, head, position) of each new vector, `(count, 3)`."""
    shape = (batch, num_heads, length)
    rows = ops.reshape(ops.arange(batch, dtype="int32"), (-1, 1, 1))
    heads = ops.reshape(ops.arange(num_heads, dtype="int32"), (1, -1, 1))
    positions = lengths[:, None] + ops.arange(length, dtype="int32")[None]
    index = ops.stack(
        [
            ops.broadcast_to(rows, shape),
            ops.broadcast_to(heads, shape),
            ops.broadcast_to(positions[:, None, :], shape),
        ],
        axis=-1,
    )
    return ops.reshape(index, (-1, 3))
