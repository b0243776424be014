"""The tokens of rows come in, what they may go on with comes out: what
followed the last time that their last tokens came.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

# A row's last tokens are looked for, so many of them at most and at least.
_MOST, _LEAST = 3, 2


class Drafts(NamedTuple):
    """Tokens that rows may go on with.

    Attributes:
        token_ids: `(batch, count)` int32, right-padded with anything.
        lengths: `(batch,)` int32, 0 where there is no guess.
    """

    token_ids: Any
    lengths: Any


def look_up(token_ids, lengths, limits, count: int, end_of_text_id) -> Drafts:
    """Guesses how rows go on.

    Of the places where the most of a row's last tokens stand, the last one
    counts. What stood behind it is the guess, over and over where it reaches
    the row's end.

    Args:
        token_ids: `(batch, width)` int32, right-padded with anything.
        lengths: `(batch,)` int32, at least 1.
        limits: `(batch,)` int32, the most tokens of each row's guess.
        count: The most tokens of any.
        end_of_text_id: A number; a guess ends before it.

    Returns:
        `Drafts`.

    Reference:
        Saxena 2023, Prompt Lookup Decoding.
    """
    width = tf.shape(token_ids)[1]
    places = tf.range(width)[None]
    is_equal = places < lengths[:, None] - 1
    run = tf.zeros_like(token_ids)
    for back in range(_MOST):
        last = tf.gather(
            token_ids, tf.maximum(lengths - 1 - back, 0), batch_dims=1
        )
        before = tf.pad(token_ids, [[0, 0], [back, 0]])[:, :width]
        is_equal &= (before == last[:, None]) & (places >= back)
        run += tf.cast(is_equal, tf.int32)
    rank = tf.where(run >= _LEAST, run * width + places, -1)
    starts = tf.argmax(rank, -1, tf.int32) + 1
    period = tf.maximum(lengths - starts, 1)
    follows = tf.math.floormod(tf.range(count)[None], period[:, None])
    found = tf.gather(
        token_ids,
        tf.minimum(starts[:, None] + follows, width - 1),
        batch_dims=1,
    )
    goes_on = tf.math.cumprod(tf.cast(found != end_of_text_id, tf.int32), -1)
    sizes = tf.minimum(tf.reduce_sum(goes_on, -1), limits)
    is_found = tf.reduce_max(rank, -1) >= 0
    return Drafts(found, tf.where(is_found, tf.maximum(sizes, 0), 0))
