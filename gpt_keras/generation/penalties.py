"""Logits and the text so far come in, logits that shun repetition go out.

Each function takes logits `(batch, vocab_size)`, the settings and a
`SamplingContext`. A row that does not use it keeps its logits, and a batch
without any row that does pays nothing.
"""

import tensorflow as tf

# Finite, and differences of two are finite.
_LARGE = 1e30


def bounded(logits):
    """Returns finite logits. NaN counts as the least likely."""
    logits = tf.where(tf.math.is_nan(logits), -_LARGE, logits)
    return tf.clip_by_value(logits, -_LARGE, _LARGE)


def penalize_repetition(logits, settings, context):
    """Makes tokens of context and completion less likely.

    Reference:
        Keskar et al. 2019, CTRL, §4.1. There all logits are divided, which
        would make a token with a negative one likelier.
    """
    penalties = settings.repetition_penalty

    def penalize():
        is_held = _counts(logits, context, 0) > 0
        scale = penalties[:, None]
        lower = tf.where(logits > 0, logits / scale, logits * scale)
        return tf.where(is_held, lower, logits)

    return _where_active((penalties > 0) & (penalties != 1), penalize, logits)


def penalize_frequency(logits, settings, context):
    """Takes the penalty off once for each time that a token was written."""
    penalties = settings.frequency_penalty

    def penalize():
        counts = _counts(logits, context, context.context_lengths)
        return logits - tf.math.multiply_no_nan(penalties[:, None], counts)

    return _where_active(tf.abs(penalties) > 0, penalize, logits)


def penalize_presence(logits, settings, context):
    """Takes the penalty off once if a token was written."""
    penalties = settings.presence_penalty

    def penalize():
        counts = _counts(logits, context, context.context_lengths)
        is_held = tf.minimum(counts, 1.0)
        return logits - tf.math.multiply_no_nan(penalties[:, None], is_held)

    return _where_active(tf.abs(penalties) > 0, penalize, logits)


def ban_repeated_ngrams(logits, settings, context):
    """Bans tokens that would complete a run that stands there already."""
    sizes = settings.no_repeat_ngram
    is_active = (sizes > 0) & (sizes <= context.lengths)

    def ban():
        is_end = _ends_run(context, tf.where(is_active, sizes, 1))
        is_end &= is_active[:, None]
        is_banned = _count_ids(logits, context.token_ids, is_end) > 0
        return _ban(logits, is_banned, context)

    return tf.cond(tf.reduce_any(is_active), ban, lambda: logits)


def ban_tokens(logits, settings, context):
    """Bans the tokens that the context names."""
    del settings
    if context.is_banned is None:
        return logits
    may_ban = context.may_ban
    if may_ban is None:
        may_ban = tf.reduce_any(context.is_banned)
    return tf.cond(
        may_ban,
        lambda: _ban(logits, context.is_banned, context),
        lambda: logits,
    )


def _where_active(is_active, penalize, logits):
    """Returns the penalized logits of the rows that are active."""
    return tf.cond(
        tf.reduce_any(is_active),
        lambda: tf.where(is_active[:, None], bounded(penalize()), logits),
        lambda: logits,
    )


def _counts(logits, context, starts):
    """Counts each row's tokens from `starts` on, `(batch, vocab_size)`."""
    places = tf.range(tf.shape(context.token_ids)[1])[None]
    is_counted = places < context.lengths[:, None]
    is_counted &= places >= tf.reshape(starts, [-1, 1])
    return _count_ids(logits, context.token_ids, is_counted)


def _count_ids(logits, token_ids, is_counted):
    vocab_size = tf.shape(logits)[-1]
    return tf.raw_ops.DenseBincount(
        # Ids beyond the vocabulary are not counted.
        input=tf.where(is_counted, token_ids, vocab_size),
        size=vocab_size,
        weights=tf.constant([], tf.float32),
    )


def _ends_run(context, sizes):
    """Says where a run ends that begins like the row's end.

    Args:
        context: `SamplingContext`.
        sizes: `(batch,)` int32, tokens of a run, at least 1.

    Returns:
        `(batch, length)` boolean: the `sizes - 1` tokens before the place are
        the row's last ones.
    """
    token_ids, lengths = context.token_ids, context.lengths
    places = tf.range(tf.shape(token_ids)[1])[None]
    is_equal = places >= sizes[:, None] - 1
    is_equal &= places < lengths[:, None]

    def has_more(back, is_equal):
        return tf.reduce_any(is_equal & (back < sizes)[:, None])

    def compare(back, is_equal):
        before = tf.roll(token_ids, back, axis=1)
        last = tf.gather(token_ids, tf.maximum(lengths - back, 0), batch_dims=1)
        is_compared = (back < sizes)[:, None]
        return back + 1, is_equal & ((before == last[:, None]) | ~is_compared)

    return tf.while_loop(has_more, compare, (1, is_equal))[1]


def _ban(logits, is_banned, context):
    """Never bans the end of the text: there is always a token to draw."""
    token_ids = tf.range(tf.shape(logits)[-1])[None]
    is_banned &= token_ids != context.end_of_text_id
    return tf.where(is_banned, -float("inf"), logits)
