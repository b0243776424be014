"""Positions of a step come in, what all its attention layers share goes out.

The mask, the angles of rotary positions and the places in the cache are the
same in every layer: made once, they are a third of a decoding step's
operations.
"""

from typing import Any
from typing import NamedTuple

from keras import ops

from gpt_keras.layers.dynamic_steps import is_dynamic
from gpt_keras.layers.kv_cache import CacheWrite
from gpt_keras.layers.kv_cache import KVCache
from gpt_keras.layers.kv_cache import plan_write
from gpt_keras.layers.positional_encoding import rotation
from gpt_keras.layers.positional_encoding import token_positions

# Of the positions of a cache that are looked at: so many at a time, and all
# of them where a copy of those that are filled would not be far fewer.
_POSITIONS, _SHARE = 64, 3


class SharedStep(NamedTuple):
    """What the attention of every layer needs of a step.

    Attributes:
        visible: Boolean, which key each query may see, `(1 or batch, 1,
            length, keys)`.
        turn: From `rotation`; None without rotary positions.
        write: Where the cache gets the new positions; None without one.
        is_causal: Whether `visible` is known to be every key up to the
            query's own, in every row.
        num_keys: int32 scalar, how many positions of the cache are looked
            at; None: all.
    """

    visible: Any
    turn: Any = None
    write: CacheWrite | None = None
    is_causal: bool = False
    num_keys: Any = None


def share_step(
    x,
    cache: KVCache | None = None,
    mask=None,
    document_starts=None,
    rotary_dim: int | None = None,
) -> SharedStep:
    """Makes what the layers of a step share.

    Args:
        x: `(batch, length, ...)`, the new positions.
        cache: Of any layer, the positions before; None for none.
        mask: Boolean `(batch, length)`, True where there is a token.
        document_starts: `(batch, length)` int32, where each position's
            document begins, or None.
        rotary_dim: Of queries and keys that are turned by their positions;
            None: they are not.
    """
    batch, length = ops.shape(x)[:2]
    start = write = turn = num_keys = None
    if cache is None:
        visible = _visible(length, mask)
    else:
        start = cache.lengths
        write = plan_write(cache, batch, length, mask, document_starts)
        num_keys = _num_keys(cache, length) if is_dynamic() else None
        visible = _visible_in_cache(cache, start, length, num_keys)
    if rotary_dim is not None:
        positions = token_positions(length, start, document_starts)
        turn = rotation(positions, rotary_dim)
    visible = _within_documents(visible, document_starts)
    is_causal = cache is None and mask is None and document_starts is None
    return SharedStep(visible, turn, write, is_causal, num_keys)


def _visible(length, mask):
    """Returns what each query may see, `(1 or batch, 1, length, length)`."""
    positions = ops.arange(length, dtype="int32")
    causal = positions[None, :] <= positions[:, None]
    if mask is None:
        return causal[None, None]
    return causal[None, None] & ops.cast(mask, "bool")[:, None, None, :]


def _num_keys(cache: KVCache, length):
    """Returns how many positions to look at so that all filled ones are."""
    filled = ops.max(cache.lengths, initial=0) + length
    enough = -(-filled // _POSITIONS) * _POSITIONS
    room = cache.max_length
    return ops.where(enough * _SHARE <= room, enough, room)


def _visible_in_cache(cache: KVCache, start, length, num_keys=None):
    """Returns what each query may see, `(batch, 1, length, keys)`."""
    if num_keys is None:
        num_keys = cache.max_length
    keys = ops.arange(num_keys, dtype="int32")
    queries = token_positions(length, start)
    return keys[None, None, None, :] <= queries[:, None, :, None]


def _within_documents(visible, document_starts):
    """Hides the keys before each query's document, if it is told."""
    if document_starts is None:
        return visible
    # Documents don't overlap: what is seen of them is one run of places.
    keys = ops.arange(ops.shape(visible)[-1], dtype="int32")
    return visible & (keys >= document_starts[:, None, :, None])
