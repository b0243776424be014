"""Queries, keys and values in, what the queries gather out, block by block.

The weights of attention are a training step's largest tensors: for each head
a square of the length. Here those of some queries at a time are made, of the
keys up to the last of these alone, and for the gradients they are made again.
"""

from keras import ops

from gpt_keras.layers.few_rows import few_rows_product
from gpt_keras.layers.flash_attention import can_flash
from gpt_keras.layers.flash_attention import flash_attend
from gpt_keras.layers.recomputation import after

# Queries of a block, and how many blocks there are at most.
_QUERIES, _BLOCKS = 128, 8
# Finite, so that a row in which nothing is visible gives no NaN.
_HIDDEN = -1e30


def attend(query, key, value, visible, drop=None, is_causal: bool = False):
    """Returns softmax(QKᵀ / √head_dim) V over the keys that are visible.

    No query may see a key behind it. What is kept for the gradients is
    queries, keys, values and the result; nothing is as large as the square
    of the length.

    Args:
        query: `(batch, num_heads, length, head_dim)`.
        key: As `query`.
        value: As `query`.
        visible: Boolean, which key each query may see, `(1 or batch, 1,
            length, length)`. What a query gathers that sees none is finite,
            and has no meaning.
        drop: A linear function of weights `(batch, num_heads, queries, keys)`
            and the number of a block, which says what it drops of them, the
            same at every call; None for nothing.
        is_causal: Whether `visible` is every key up to the query's own, in
            every row. If so, and without `drop`, a GPU's own kernel does it
            where there is one (`can_flash`).

    Returns:
        `(batch, num_heads, length, head_dim)`, in the dtype of `value`. The
        softmax is in float32 under every dtype.

    Reference:
        Dao et al. 2022, FlashAttention, appendix B.
    """
    if is_causal and drop is None and can_flash(query):
        return flash_attend(query, key, value)
    scale = query.shape[-1] ** -0.5
    blocks = _blocks(query.shape[2])
    drop = drop or (lambda weights, block: weights)

    def cut(x, block):
        return x if blocks is None else x[:, :, slice(*block)]

    def weights_of(query, key, block):
        """Returns float32 weights, `(batch, num_heads, queries, keys)`."""
        seen = visible
        if block is not None:
            begin, end = block
            seen = visible[:, :, begin:end, :end]
        return attention_weights(query * scale, key, seen)

    @ops.custom_gradient
    def gather(query, key, value):
        outputs = []
        for number, block in enumerate(blocks or [None]):
            before = None if block is None else (0, block[1])
            weights = weights_of(cut(query, block), cut(key, before), block)
            weights = drop(ops.cast(weights, value.dtype), number)
            outputs.append(ops.matmul(weights, cut(value, before)))
        outputs = outputs[0] if blocks is None else ops.concatenate(outputs, 2)
        kept = query, key, value, outputs

        def gradients(*upstreams, upstream=None):
            (upstream,) = upstreams or (upstream,)
            query, key, value, outputs = after(upstream, kept)
            # What a row of the softmax's gradient is balanced by.
            balance = ops.sum(
                ops.cast(upstream, "float32") * ops.cast(outputs, "float32"),
                axis=-1,
                keepdims=True,
            )
            of_query, of_key, of_value = [], None, None
            for number, block in enumerate(blocks or [None]):
                before = None if block is None else (0, block[1])
                queries, keys = cut(query, block), cut(key, before)
                above = cut(upstream, block)
                weights = weights_of(queries, keys, block)
                dropped = drop(ops.cast(weights, value.dtype), number)
                to_value = ops.matmul(_turned(dropped), above)
                to_weights = ops.matmul(above, _turned(cut(value, before)))
                to_weights = ops.cast(drop(to_weights, number), "float32")
                to_scores = weights * (to_weights - cut(balance, block))
                to_scores = ops.cast(to_scores * scale, query.dtype)
                of_query.append(ops.matmul(to_scores, keys))
                to_key = ops.matmul(_turned(to_scores), queries)
                of_key = _joined(of_key, to_key)
                of_value = _joined(of_value, to_value)
            if blocks is None:
                return of_query[0], of_key, of_value
            return ops.concatenate(of_query, 2), of_key, of_value

        return outputs, gradients

    return gather(query, key, value)


def attention_weights(query, key, visible):
    """Returns softmax(QKᵀ) in float32, 0 where not visible.

    Args:
        query: `(batch, num_heads, queries, head_dim)`, scaled.
        key: `(batch, num_heads, keys, head_dim)`.
        visible: Boolean, `(1 or batch, 1, queries, keys)`.
    """
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
    scores = ops.where(visible, ops.cast(scores, "float32"), _HIDDEN)
    return ops.softmax(scores, axis=-1)


def attend_once(query, key, value, visible):
    """Returns what one query of each row gathers, without gradients' needs.

    Args:
        query: `(batch, num_heads, 1, head_dim)`.
        key: `(batch, num_heads, keys, head_dim)`.
        value: As `key`.
        visible: Boolean, `(1 or batch, 1, 1, keys)`.

    Returns:
        As `query`, in the dtype of `value`. The softmax is in float32.
    """
    scale = query.shape[-1] ** -0.5
    scores = few_rows_product(query * scale, key, turned=True)
    scores = ops.where(visible, ops.cast(scores, "float32"), _HIDDEN)
    # By its parts: the op takes longer to begin than they do.
    weights = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
    weights = weights / ops.sum(weights, axis=-1, keepdims=True)
    return few_rows_product(ops.cast(weights, value.dtype), value)


def block_size(length: int) -> int:
    """Returns how many queries of so many are taken at a time."""
    return min(length, max(_QUERIES, -(-length // _BLOCKS)))


def _blocks(length):
    """Returns begin and end of each block of queries; None for one of all."""
    if not isinstance(length, int) or block_size(length) == length:
        return None
    size = block_size(length)
    return [
        (begin, min(begin + size, length)) for begin in range(0, length, size)
    ]


def _joined(sums, more):
    """Adds what is of more positions to what is of the first of them."""
    if sums is None:
        return more
    size = sums.shape[2]
    return ops.concatenate([more[:, :, :size] + sums, more[:, :, size:]], 2)


def _turned(x):
    return ops.swapaxes(x, -1, -2)
