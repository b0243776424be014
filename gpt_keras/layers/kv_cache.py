"""The key-value cache as data: new keys and values in, the cache out.

The layout puts heads before positions, `(batch, num_heads, max_length,
head_dim)`, so that a decoding step reads each head's keys in one run.
"""

from typing import Any
from typing import NamedTuple

from keras import ops

from gpt_keras.layers.dynamic_steps import is_dynamic


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


class Columns(NamedTuple):
    """The same places in every row.

    Attributes:
        suffice: Boolean scalar, whether all new positions may go there.
        begin: `(3,)` int32, the first of them, behind two zeros.
        end: `(3,)` int32, the one behind the last, likewise.
    """

    suffice: Any
    begin: Any
    end: Any


class CacheWrite(NamedTuple):
    """Where new positions go: the same in the caches of all layers.

    Attributes:
        indices: `(batch * num_heads * length, 3)` int32, row, head and place
            of each new vector.
        lengths: `(batch,)` int32, the filled positions afterwards.
        document_starts: As of `KVCache`, afterwards.
        columns: `Columns`, or None outside of `dynamic_steps`.
    """

    indices: Any
    lengths: Any
    document_starts: Any = ()
    columns: Columns | None = None


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
        columns=_columns(cache.lengths, length, mask) if is_dynamic() else None,
    )


def write_cache(cache: KVCache, keys, values, write: CacheWrite) -> KVCache:
    """Writes new positions where `plan_write` said.

    Args:
        cache: Of a layer. It is not changed.
        keys: `(batch, num_heads, length, head_dim)`, the new keys.
        values: `(batch, num_heads, length, head_dim)`, the new values.
        write: Where.
    """

    olds = cache.keys, cache.values
    news = [ops.cast(new, olds[0].dtype) for new in (keys, values)]
    put = _put_into_rows if write.columns is None else _put
    keys, values = put(olds, news, write)
    return KVCache(
        keys=keys,
        values=values,
        lengths=write.lengths,
        document_starts=write.document_starts,
    )


def _put_into_rows(olds, news, write):
    """Writes into each row behind what it has. TensorFlow copies all of it."""
    return [
        ops.scatter_update(
            old, write.indices, ops.reshape(new, (-1, new.shape[-1]))
        )
        for old, new in zip(olds, news, strict=True)
    ]


def _put(olds, news, write):
    """As `_put_into_rows`, but in place where all rows are as long."""
    import tensorflow as tf

    columns = write.columns

    def put_into_columns():
        # In place, unless who made the old cache still looks at it.
        return [
            tf.raw_ops.TensorStridedSliceUpdate(
                input=old,
                begin=columns.begin,
                end=columns.end,
                strides=[1, 1, 1],
                value=new,
                begin_mask=0b011,
                end_mask=0b011,
            )
            for old, new in zip(olds, news, strict=True)
        ]

    return tf.cond(
        columns.suffice,
        put_into_columns,
        lambda: _put_into_rows(olds, news, write),
    )


def _columns(lengths, length, mask) -> Columns:
    """Returns where rows of these lengths are written, if all are as long.

    A row without a new token is as long as it has to be: what is written
    there stands behind its end, and is never read.
    """
    is_written = True if mask is None else ops.any(mask, axis=-1)
    column = ops.max(ops.where(is_written, lengths, 0), initial=0)
    is_there = ops.where(is_written, lengths == column, lengths <= column)
    begin, end = [ops.stack([0, 0, x]) for x in (column, column + length)]
    return Columns(ops.all(is_there), begin, end)


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
