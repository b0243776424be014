"""Next-token logits and each row's settings come in, token ids go out.

Rows never meet: what is drawn for one depends on its own logits, settings and
position alone.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation import filters
from gpt_keras.generation import penalties
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.spans import Spans
from gpt_keras.generation.spans import keep_to_spans
from gpt_keras.generation.split_mix import uniforms
from gpt_keras.generation.watermark import Watermark
from gpt_keras.generation.watermark import green_tokens

TOP_TOKENS = 5


class SamplingContext(NamedTuple):
    """What a row holds when its next token is drawn.

    Attributes:
        positions: `(batch,)` int32, how many tokens stand before the one to
            draw, counted from the start of the whole prompt.
        token_ids: `(batch, length)` int32, the context and what was generated.
        lengths: `(batch,)` int32, the tokens in each row of `token_ids`.
        context_lengths: `(batch,)` int32, how many of them are the context.
        end_of_text_id: A number, the token that is never banned.
        is_banned: `(batch, vocab_size)` boolean, tokens that must not be
            drawn, or None.
        may_ban: A scalar, whether there is such a token; None: look.
        watermark: What marks the drawn tokens, or None.
        spans: `Spans` that what is written must be of, or None.
    """

    positions: Any
    token_ids: Any
    lengths: Any
    context_lengths: Any
    end_of_text_id: int
    is_banned: Any = None
    may_ban: Any = None
    watermark: Watermark | None = None
    spans: Spans | None = None


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
    logits = process_logits(logits, settings, context, PROCESSORS)
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


def process_logits(logits, settings: GenerationSettings, context, processors):
    """Applies processors, such as `RULES`, one after the other.

    Args:
        logits: `(batch, vocab_size)` float32, the model's own.
        settings: Tensors `(batch,)`.
        context: Tensors, see `SamplingContext`.
        processors: A table like `PROCESSORS`.

    Returns:
        `(batch, vocab_size)` float32, -inf where a token must not come.
    """
    logits = penalties.bounded(logits)
    for process in processors.values():
        logits = process(logits, settings, context)
    return logits


def log_probabilities(logits):
    """Returns the natural logarithms of the tokens' probabilities.

    Args:
        logits: `(…, vocab_size)` float32, the model's own. NaN counts as the
            least likely.

    Returns:
        `(…, vocab_size)` float32, all finite.
    """
    return penalties.bounded(tf.nn.log_softmax(penalties.bounded(logits)))


def top_log_probabilities(logits, token_ids):
    """Says how likely the drawn tokens are, and which ones are likelier.

    Args:
        logits: `(batch, vocab_size)` float32, the model's own.
        token_ids: `(batch,)` int32, the drawn tokens.

    Returns:
        The drawn tokens' log-probabilities, `(batch,)` float32, the ids of
        the `TOP_TOKENS` likeliest tokens, `(batch, count)` int32, the
        likeliest first, and theirs, `(batch, count)` float32. The count is
        smaller where the vocabulary is.
    """
    logprobs = log_probabilities(logits)
    drawn = tf.gather(logprobs, token_ids, batch_dims=1)
    count = min(TOP_TOKENS, logprobs.shape[-1])
    top, ids = tf.math.top_k(logprobs, count)
    return drawn, ids, top


def _first(mask):
    """Returns the first True column of each row, `(batch,)` int32."""
    vocab_size = tf.shape(mask)[-1]
    columns = tf.where(mask, tf.range(vocab_size)[None], vocab_size - 1)
    return tf.reduce_min(columns, -1)


def _draw(logits, uniform):
    """Returns the token at each row's `uniform` share of the probability."""
    weights = filters.relative_weights(logits)
    sums = tf.where(weights > 0, tf.cumsum(weights, -1), -1.0)
    target = tf.cast(uniform, tf.float64) * tf.reduce_max(sums, -1)
    return _first(sums > target[:, None])


def _mark(logits, settings, context):
    """Makes the watermark's green tokens likelier."""
    del settings
    if context.watermark is None:
        return logits
    previous = tf.gather(
        context.token_ids, tf.maximum(context.lengths - 1, 0), batch_dims=1
    )
    is_green = green_tokens(context.watermark, previous, logits.shape[-1])
    return tf.where(is_green, logits + context.watermark.strength, logits)


# In the order in which they apply. Each takes logits `(batch, vocab_size)`,
# the settings and the context, and gives logits. `RULES` say what may come and
# hold for a beam search too; the others say how it is drawn.
RULES = {
    "repetition_penalty": penalties.penalize_repetition,
    "frequency_penalty": penalties.penalize_frequency,
    "presence_penalty": penalties.penalize_presence,
    "no_repeat_ngram": penalties.ban_repeated_ngrams,
    "banned": penalties.ban_tokens,
    "watermark": _mark,
    "spans": keep_to_spans,
}
PROCESSORS = RULES | {
    "temperature": filters.apply_temperature,
    "top_k": filters.keep_top_k,
    "top_p": filters.keep_top_p,
    "min_p": filters.keep_min_p,
}
