"""What decoding keeps between two steps, and what it gives back."""

from typing import Any
from typing import NamedTuple

# The index is the code in the graph.
FINISH_REASONS = (
    "",
    "stop",
    "length",
    "max_length",
    "repetition",
    "refused",
    "invalid",
)
RUNNING, STOP, LENGTH, MAX_LENGTH, REPETITION, REFUSED, INVALID = range(
    len(FINISH_REASONS)
)


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


class Generated(NamedTuple):
    """Completions of a batch of prompts.

    Attributes:
        token_ids: `(batch, longest)` int32, right-padded with the
            end-of-text id. Of a row that a stop text ended, the tokens that
            begin before it.
        lengths: `(batch,)` int32, the tokens of each completion.
        text_lengths: `(batch,)` int32, bytes of each completion's text: what
            the tokens spell goes on where a stop text begins within the last
            one. Of a running row, those that can't belong to a stop text.
        finish_reasons: `(batch,)` int32 index into `FINISH_REASONS`: the
            end-of-text token (it is not part of the completion) or a stop
            text came, `max_new_tokens` were made, prompt and completion fill
            the model's `max_length`, or the policy's guard against
            repetition stepped in.
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


class DecodingState(NamedTuple):
    """Where the decoding of a batch stands.

    Attributes:
        cache: The model's, of all tokens of the window but the last.
        token_ids: `(batch, width)` int32, context then completion, without a
            gap between them.
        lengths: `(batch,)` int32, tokens in each row of `token_ids`.
        context_lengths: `(batch,)` int32, how many of them the model was
            given.
        prompt_lengths: `(batch,)` int32, tokens of the whole prompt.
        window_lengths: `(batch,)` int32, how many of the last tokens the
            model sees.
        finish_reasons: `(batch,)` int32 index into `FINISH_REASONS`.
        is_rolling: `(batch,)` boolean, whether a full window goes on.
        seeds: `(batch,)` int64.
        texts: `TextState`, of stop and banned texts.
        repeats: `(batch, spans)` int32, see `repetition_guard`.
        details: `Details` by the columns of `token_ids`, or `()`.
    """

    cache: Any
    token_ids: Any
    lengths: Any
    context_lengths: Any
    prompt_lengths: Any
    window_lengths: Any
    finish_reasons: Any
    is_rolling: Any
    seeds: Any
    texts: Any
    repeats: Any
    details: Any
