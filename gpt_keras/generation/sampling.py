"""Next-token logits and each row's settings come in, token ids go out.

Rows never meet: what is drawn for one depends on its own logits, settings and
position alone.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.settings import GenerationSettings


class SamplingContext(NamedTuple):
    """What a row holds when its next token is drawn.

    Attributes:
        positions: `(batch,)` int32, how many tokens stand before the one to
            draw, counted from the start of the whole prompt.
        token_ids: `(batch, length)` int32, the context and what was generated.
        lengths: `(batch,)` int32, the tokens in each row of `token_ids`.
        context_lengths: `(batch,)` int32, how many of them are the context.
    """

    positions: Any
    token_ids: Any
    lengths: Any
    context_lengths: Any


def sample(logits, settings: GenerationSettings, context: SamplingContext):
    """Draws the next token of every row.

    NaN counts as the least likely, so that a broken row still gets a token of
    the vocabulary.

    Args:
        logits: `(batch, vocab_size)` float32.
        settings: Tensors `(batch,)`.
        context: Tensors, see `SamplingContext`.

    Returns:
        `(batch,)` int32 token ids. Among equal logits the lower id is the
        likelier one.
    """
    logits = tf.where(tf.math.is_nan(logits), -_LARGE, logits)
    logits = tf.clip_by_value(logits, -_LARGE, _LARGE)
    for process in PROCESSORS.values():
        logits = process(logits, settings, context)
    likeliest = _first(logits == tf.reduce_max(logits, -1, keepdims=True))
    is_random = settings.temperature > 0
    return tf.cond(
        tf.reduce_any(is_random),
        lambda: tf.where(
            is_random,
            _draw(logits, uniforms(settings.seed, context.positions)),
            likeliest,
        ),
        lambda: likeliest,
    )


# Finite, and differences of two are finite.
_LARGE = 1e30


def _first(mask):
    """Returns the first True column of each row, `(batch,)` int32."""
    vocab_size = tf.shape(mask)[-1]
    columns = tf.where(mask, tf.range(vocab_size)[None], vocab_size - 1)
    return tf.reduce_min(columns, -1)


def _draw(logits, uniform):
    """Returns the token at each row's `uniform` share of the probability."""
    weights = _weights(logits)
    sums = tf.where(weights > 0, tf.cumsum(weights, -1), -1.0)
    target = tf.cast(uniform, tf.float64) * tf.reduce_max(sums, -1)
    return _first(sums > target[:, None])


def _weights(logits):
    """Returns probabilities as multiples of the largest, float64.

    In float32 a running sum would swallow the thousands of light tokens that
    stand behind a heavy one.
    """
    weights = tf.exp(logits - tf.reduce_max(logits, -1, keepdims=True))
    return tf.cast(weights, tf.float64)


def _apply_temperature(logits, settings, context):
    del context
    scale = tf.where(settings.temperature > 0, settings.temperature, 1.0)
    logits -= tf.reduce_max(logits, -1, keepdims=True)
    return logits / scale[:, None]


def _keep_top_k(logits, settings, context):
    del context
    limit = settings.top_k
    active = (limit > 0) & (limit < tf.shape(logits)[-1])
    active &= settings.temperature > 0  # the likeliest token always stays

    def keep():
        best, ids = _best(logits, tf.where(active, limit, 0))
        stays = tf.range(tf.shape(best)[-1])[None] < limit[:, None]
        return _keep(logits, active, best, ids, stays)

    return tf.cond(tf.reduce_any(active), keep, lambda: logits)


def _keep_top_p(logits, settings, context):
    del context
    active = (settings.top_p < 1) & (settings.temperature > 0)

    def keep():
        weights = _weights(logits)
        total = tf.reduce_sum(weights, -1, keepdims=True)
        share = tf.cast(settings.top_p, tf.float64)[:, None]
        # All tokens below (1 - p) / vocab_size have less than 1 - p together,
        # so the wanted ones lie above. Half of it leaves room for rounding.
        vocab_size = tf.cast(tf.shape(logits)[-1], tf.float64)
        likely = weights >= 0.5 * (1 - share) * total / vocab_size
        counts = tf.reduce_sum(tf.cast(likely, tf.int32), -1)
        best, ids = _best(logits, tf.where(active, counts, 0))
        before = tf.cumsum(_weights(best), -1, exclusive=True)
        stays = (before < share * total) | (before == 0)  # at least the first
        return _keep(logits, active, best, ids, stays)

    return tf.cond(tf.reduce_any(active), keep, lambda: logits)


def _best(logits, counts):
    """Returns the largest logits in falling order and their ids.

    Both are `(batch, count)`, as wide as the largest of `counts`. Of equal
    logits the lower id comes first.
    """
    count = tf.minimum(tf.reduce_max(counts), tf.shape(logits)[-1])
    return tf.math.top_k(logits, count)


def _keep(logits, active, best, ids, stays):
    """Returns `logits` with -inf for all but the best that stay."""
    best = tf.where(stays, best, -_INFINITY)
    rows = tf.broadcast_to(tf.range(tf.shape(ids)[0])[:, None], tf.shape(ids))
    kept = tf.tensor_scatter_nd_update(
        tf.fill(tf.shape(logits), -_INFINITY), tf.stack([rows, ids], -1), best
    )
    return tf.where(active[:, None], kept, logits)


_INFINITY = float("inf")

# In the order in which they apply. Each takes logits `(batch, vocab_size)`,
# the settings and the context, and gives logits.
PROCESSORS = {
    "temperature": _apply_temperature,
    "top_k": _keep_top_k,
    "top_p": _keep_top_p,
}


def uniforms(seeds, positions):
    """Gives each row its random number for one position.

    The `positions`-th output of a SplitMix64 generator whose state is the
    first output of one seeded with `seeds`: integer arithmetic, the same on
    every device and in any batch.

    Args:
        seeds: `(batch,)` int64.
        positions: `(batch,)` int32, not negative.

    Returns:
        `(batch,)` float32 in [0, 1), multiples of 2**-24.

    Reference:
        Steele, Lea and Flood 2014, Fast Splittable Pseudorandom Number
        Generators, §5.
    """
    stream = _split_mix(tf.bitcast(seeds, tf.uint64), 0)
    bits = _split_mix(stream, tf.cast(positions, tf.uint64))
    bits = tf.cast(tf.bitwise.right_shift(bits, _shift(40)), tf.int32)
    return tf.cast(bits, tf.float32) * 2.0**-24


def _split_mix(state, index):
    """Returns the output number `index` of SplitMix64, uint64."""
    gamma = tf.constant(0x9E3779B97F4A7C15, tf.uint64)
    x = state + gamma * (tf.cast(index, tf.uint64) + 1)
    x = (x ^ tf.bitwise.right_shift(x, _shift(30))) * tf.constant(
        0xBF58476D1CE4E5B9, tf.uint64
    )
    x = (x ^ tf.bitwise.right_shift(x, _shift(27))) * tf.constant(
        0x94D049BB133111EB, tf.uint64
    )
    return x ^ tf.bitwise.right_shift(x, _shift(31))


def _shift(bits: int):
    return tf.constant(bits, tf.uint64)
