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


class CacheWrite(NamedTuple):
    """Where new positions go: the same in the caches of all layers.

    Attributes:
        indices: `(batch * num_heads * length, 3)` int32, row, head and place
            of each new vector.
        lengths: `(batch,)` int32, the filled positions afterwards.
        document_starts: As of `KVCache`, afterwards.
    """

    indices: Any
    lengths: Any
    document_starts: Any = ()


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
    batch, _, length, _ = ops.shape(keys)
    write = plan_write(cache, batch, length, mask, document_starts)
    return write_cache(cache, keys, values, write)


def plan_write(
    cache: KVCache, batch, length, mask=None, document_starts=None
) -> CacheWrite:
    """Returns where `extend_cache` writes, without keys and values.

    Args:
        cache: Of any layer.
        batch: The number of rows.
        length: The number of new positions.
        mask: As of `extend_cache`.
        document_starts: As of `extend_cache`.
    """
    added = length if mask is None else ops.sum(ops.cast(mask, "int32"), -1)
    started = cache.document_starts
    if document_starts is not None:
        # It never falls along a row, so that the last one is the largest.
        started = ops.max(document_starts, axis=-1, initial=0)
    num_heads = cache.keys.shape[1]
    return CacheWrite(
        indices=_indices(cache.lengths, batch, num_heads, length),
        lengths=cache.lengths + added,
        document_starts=started,
    )


def write_cache(cache: KVCache, keys, values, write: CacheWrite) -> KVCache:
    """Writes new positions where `plan_write` said.

    Args:
        cache: Of a layer. It is not changed.
        keys: `(batch, num_heads, length, head_dim)`, the new keys.
        values: `(batch, num_heads, length, head_dim)`, the new values.
        write: Where.
    """

    def put(old, new):
        new = ops.reshape(new, (-1, new.shape[-1]))
        return ops.scatter_update(old, write.indices, ops.cast(new, old.dtype))

    return KVCache(
        keys=put(cache.keys, keys),
        values=put(cache.values, values),
        lengths=write.lengths,
        document_starts=write.document_starts,
    )


def _indices(lengths, batch, num_heads, length):
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
