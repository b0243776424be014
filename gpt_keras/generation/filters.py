"""Logits come in, logits without the unlikely tokens go out.

Each function takes logits `(batch, vocab_size)`, the settings and a
`SamplingContext`. A row that does not use it keeps its logits, and a batch
without any row that does pays nothing.
"""

import tensorflow as tf


def apply_temperature(logits, settings, context):
    """Divides the logits; with 0 they only keep their order."""
    del context
    scale = tf.where(settings.temperature > 0, settings.temperature, 1.0)
    logits -= tf.reduce_max(logits, -1, keepdims=True)
    return logits / scale[:, None]


def keep_top_k(logits, settings, context):
    """Keeps the `top_k` likeliest tokens."""
    del context
    limit = settings.top_k
    active = (limit > 0) & (limit < tf.shape(logits)[-1])
    active &= settings.temperature > 0  # the likeliest token always stays

    def keep():
        best, ids = _best(logits, tf.where(active, limit, 0))
        stays = tf.range(tf.shape(best)[-1])[None] < limit[:, None]
        return _keep(logits, active, best, ids, stays)

    return tf.cond(tf.reduce_any(active), keep, lambda: logits)


def keep_top_p(logits, settings, context):
    """Keeps the fewest tokens that have `top_p` of the probability.

    Reference:
        Holtzman et al. 2020, The Curious Case of Neural Text Degeneration,
        §3.1.
    """
    del context
    active = (settings.top_p < 1) & (settings.temperature > 0)

    def keep():
        weights = relative_weights(logits)
        total = tf.reduce_sum(weights, -1, keepdims=True)
        share = tf.cast(settings.top_p, tf.float64)[:, None]
        # All tokens below (1 - p) / vocab_size have less than 1 - p together,
        # so the wanted ones lie above. Half of it leaves room for rounding.
        vocab_size = tf.cast(tf.shape(logits)[-1], tf.float64)
        likely = weights >= 0.5 * (1 - share) * total / vocab_size
        counts = tf.reduce_sum(tf.cast(likely, tf.int32), -1)
        best, ids = _best(logits, tf.where(active, counts, 0))
        before = tf.cumsum(relative_weights(best), -1, exclusive=True)
        stays = (before < share * total) | (before == 0)  # at least the first
        return _keep(logits, active, best, ids, stays)

    return tf.cond(tf.reduce_any(active), keep, lambda: logits)


def keep_min_p(logits, settings, context):
    """Keeps tokens of at least a share of the likeliest one's probability.

    Reference:
        Nguyen et al. 2024, Turning Up the Heat, §3.
    """
    del context
    active = (settings.min_p > 0) & (settings.temperature > 0)

    def keep():
        least = tf.cast(tf.minimum(settings.min_p, 1.0), tf.float64)
        stays = relative_weights(logits) >= least[:, None]
        stays |= ~active[:, None]
        return tf.where(stays, logits, -_INFINITY)

    return tf.cond(tf.reduce_any(active), keep, lambda: logits)


def relative_weights(logits):
    """Returns probabilities as multiples of the largest, float64.

    In float32 a running sum would swallow the thousands of light tokens that
    stand behind a heavy one.
    """
    weights = tf.exp(logits - tf.reduce_max(logits, -1, keepdims=True))
    return tf.cast(weights, tf.float64)


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
