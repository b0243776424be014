"""The tokens that rows write come in, whether they go round in circles out."""

import tensorflow as tf

# Spans of up to so many tokens are seen, when their repetitions fill at least
# so many: three dots or two blank lines are no loop.
LONGEST_SPAN = 64
LEAST_TOKENS = 16


def no_repeats(batch_size, is_on: bool) -> tf.Tensor:
    """Returns the counts of rows that have written nothing yet.

    `(batch, LONGEST_SPAN)` int32, or `(batch, 0)` where nobody counts.
    """
    return tf.zeros([batch_size, LONGEST_SPAN if is_on else 0], tf.int32)


def count_repeats(state, drawn, is_added) -> tf.Tensor:
    """Counts the last tokens of each row that equal those a span before them.

    Args:
        state: `DecodingState` before the tokens are added. With
            span = i + 1, `repeats[b, i]` is how many tokens at the end of the
            completion each equal the one that stands `span` before it.
        drawn: `(batch,)` int32, the tokens that are added.
        is_added: `(batch,)` boolean, where they are.

    Returns:
        `state.repeats` with the tokens counted.
    """
    spans = _spans(state.repeats)
    places = state.lengths[:, None] - spans
    before = tf.gather(state.token_ids, tf.maximum(places, 0), batch_dims=1)
    is_equal = places >= state.context_lengths[:, None]
    is_equal &= before == drawn[:, None]
    counted = tf.where(is_equal, state.repeats + 1, 0)
    return tf.where(is_added[:, None], counted, state.repeats)


def repeats_of(token_ids, lengths) -> tf.Tensor:
    """Counts for rows that were written before what `count_repeats` counts.

    Args:
        token_ids: `(batch, length)` int32, completions.
        lengths: `(batch,)` int32, the tokens of each.

    Returns:
        `(batch, LONGEST_SPAN)` int32.
    """
    spans = tf.range(1, LONGEST_SPAN + 1)[:, None]
    backwards = tf.reverse_sequence(token_ids, lengths, seq_axis=1)
    places = tf.range(tf.shape(token_ids)[1])[None] + spans
    before = tf.gather(
        tf.pad(backwards, [[0, 0], [0, LONGEST_SPAN]]), places, axis=1
    )
    is_equal = before == backwards[:, None]
    is_equal &= places < lengths[:, None, None]
    run = tf.math.cumprod(tf.cast(is_equal, tf.int32), -1)
    return tf.reduce_sum(run, -1)


def is_repeated(repeats, times: int) -> tf.Tensor:
    """Says of each row whether it ends in one span, `times` in a row.

    Args:
        repeats: `(batch, LONGEST_SPAN)` int32, see `count_repeats`.
        times: At least 2.

    Returns:
        `(batch,)` boolean.
    """
    least = _least(_spans(repeats), times)
    return tf.reduce_any(repeats >= least, -1)


def repeating_tokens(state, times: int, vocab_size: int) -> tf.Tensor:
    """Says which tokens would make a row end in one span, `times` in a row.

    Args:
        state: As for `count_repeats`.
        times: At least 2.
        vocab_size: The number of token ids.

    Returns:
        `(batch, vocab_size)` boolean.
    """
    spans = _spans(state.repeats)
    places = state.lengths[:, None] - spans
    before = tf.gather(state.token_ids, tf.maximum(places, 0), batch_dims=1)
    is_last = places >= state.context_lengths[:, None]
    is_last &= state.repeats + 1 >= _least(spans, times)
    counts = tf.raw_ops.DenseBincount(
        # Ids beyond the vocabulary are not counted.
        input=tf.where(is_last, before, vocab_size),
        size=vocab_size,
        weights=tf.constant([], tf.float32),
    )
    return counts > 0


def _least(spans, times):
    return tf.maximum((times - 1) * spans, LEAST_TOKENS - spans)


def _spans(repeats):
    return tf.range(1, tf.shape(repeats)[1] + 1)[None]
