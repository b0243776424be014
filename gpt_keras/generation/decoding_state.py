"""What decoding keeps between two steps, and what it gives back."""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

# The index is the code in the graph.
FINISH_REASONS = (
    "",
    "stop",
    "length",
    "max_length",
    "repetition",
    "refused",
    "invalid",
    "",
)
(
    RUNNING,
    STOP,
    LENGTH,
    MAX_LENGTH,
    REPETITION,
    REFUSED,
    INVALID,
    PAUSED,  # it goes on in another call
) = range(len(FINISH_REASONS))


def has_more(finish_reasons):
    """Says of each row whether it has not ended."""
    return (finish_reasons == RUNNING) | (finish_reasons == PAUSED)


class Details(NamedTuple):
    """What the model thought of the tokens, before any setting.

    Attributes:
        logprobs: `(batch, length)` float32, of each token.
        top_token_ids: `(batch, length, TOP_TOKENS)` int32, the likeliest
            tokens at its place, the likeliest first.
        top_logprobs: `(batch, length, TOP_TOKENS)` float32, theirs.
    """

    logprobs: Any
    top_token_ids: Any
    top_logprobs: Any

    def to_bits(self):
        """Returns `(batch, length, 1 + 2 * TOP_TOKENS)` int32."""
        bits = [
            tf.bitcast(self.logprobs, tf.int32)[..., None],
            self.top_token_ids,
            tf.bitcast(self.top_logprobs, tf.int32),
        ]
        return tf.concat(bits, -1)

    @classmethod
    def from_bits(cls, bits):
        """Takes what `to_bits` gives, its last dimension known."""
        count = bits.shape[-1] // 2
        return cls(
            logprobs=tf.bitcast(bits[..., 0], tf.float32),
            top_token_ids=bits[..., 1 : 1 + count],
            top_logprobs=tf.bitcast(bits[..., 1 + count :], tf.float32),
        )


class Context(NamedTuple):
    """What the model is given of the prompts.

    Attributes:
        token_ids: `(batch, length)` int32, right-padded with anything.
        lengths: `(batch,)` int32, at least 1 and below the model's
            `max_length`.
        prompt_lengths: `(batch,)` int32, tokens of the whole prompt.
    """

    token_ids: Any
    lengths: Any
    prompt_lengths: Any


class Written(NamedTuple):
    """What rows have written in the calls before.

    Attributes:
        token_ids: `(batch, length)` int32, right-padded with anything.
        lengths: `(batch,)` int32.
        sent_bytes: `(batch,)` int32, how many bytes of the text the client
            has.
        sent_tokens: `(batch,)` int32, how many of the tokens.
        held: `(batch, held_length, 1 + 2 * TOP_TOKENS)` int32, the details
            of the others, as `Details.to_bits` gives them.
    """

    token_ids: Any
    lengths: Any
    sent_bytes: Any
    sent_tokens: Any
    held: Any


class Generated(NamedTuple):
    """Completions of a batch of prompts.

    Attributes:
        token_ids: `(batch, longest)` int32, right-padded with the
            end-of-text id. Of a row that a stop text ended, the tokens that
            begin before it; of one that goes on, those that begin before what
            may be one.
        lengths: `(batch,)` int32, the tokens of each completion.
        text_lengths: `(batch,)` int32, bytes of each completion's text: what
            the tokens spell goes on where a stop text begins within the last
            one. Of a running row, those that can't belong to a stop text.
        finish_reasons: `(batch,)` int32 index into `FINISH_REASONS`: the
            end-of-text token (it is not part of the completion) or a stop
            text came, `max_new_tokens` were made, prompt and completion fill
            the model's `max_length`, or the policy's guard against
            repetition stepped in. `RUNNING` and `PAUSED` rows go on.
        prompt_truncated: `(batch,)` boolean, whether only the end of the
            prompt fitted.
        seeds: `(batch,)` int64, what the row's random numbers came from.
        details: `Details`, right-padded with zeros, or `()`.
    """

    token_ids: Any
    lengths: Any
    text_lengths: Any
    finish_reasons: Any
    prompt_truncated: Any
    seeds: Any
    details: Any


class Completions(NamedTuple):
    """Completions of a batch of prompts.

    Attributes:
        completions: `(batch,)` strings without their prompts, valid UTF-8:
            what isn't became U+FFFD.
        completions_bytes: `(batch,)` strings, the bytes as they were made.
        token_ids: `(batch, longest)` int32, right-padded; none of a row that
            the policy redacted or refused.
        lengths: `(batch,)` int32, tokens in each row of `token_ids`.
        details: `Details`, or `()`.
        finish_reasons: `(batch,)` strings of `FINISH_REASONS`.
        prompt_truncated: `(batch,)` boolean, whether only the end of the
            prompt fitted into the model.
        seeds: `(batch,)` int64, which give the same completion again.
        errors: `(batch,)` strings: of a row that is invalid, the rule and
            what came; empty for the others.
    """

    completions: Any
    completions_bytes: Any
    token_ids: Any
    lengths: Any
    details: Any
    finish_reasons: Any
    prompt_truncated: Any
    seeds: Any
    errors: Any


class DecodingState(NamedTuple):
    """Where the decoding of a batch stands.

    Attributes:
        cache: The model's, of all tokens of the window but the last.
        is_stale: `(batch,)` boolean, whether the cache is not of them: the
            window has to be read before the next step.
        token_ids: `(batch, width)` int32, context then completion, without a
            gap between them.
        lengths: `(batch,)` int32, tokens in each row of `token_ids`.
        context_lengths: `(batch,)` int32, how many of them the model was
            given.
        prompt_lengths: `(batch,)` int32, tokens of the whole prompt.
        window_lengths: `(batch,)` int32, how many of the last tokens the
            model sees.
        finish_reasons: `(batch,)` int32 index into `FINISH_REASONS`.
        pause_lengths: `(batch,)` int32, the tokens of the completion at which
            the row pauses.
        is_rolling: `(batch,)` boolean, whether a full window goes on.
        seeds: `(batch,)` int64.
        texts: `TextState`, of stop and banned texts.
        repeats: `(batch, spans)` int32, see `repetition_guard`.
        details: `Details` by the columns of `token_ids`, or `()`.
        spans: `Spans` of the context, or `()` where anything may be written.
    """

    cache: Any
    is_stale: Any
    token_ids: Any
    lengths: Any
    context_lengths: Any
    prompt_lengths: Any
    window_lengths: Any
    finish_reasons: Any
    pause_lengths: Any
    is_rolling: Any
    seeds: Any
    texts: Any
    repeats: Any
    details: Any
    spans: Any = ()
