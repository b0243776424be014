"""Running texts in, a task whose figures are perplexities and bits out."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpt_keras.evaluation.detokenizers import detokenize
from gpt_keras.evaluation.passages import window_passages
from gpt_keras.evaluation.task import Task


def perplexity_task(
    documents: Sequence[tuple[str, str]],
    tokenizer,
    *,
    max_length: int,
    stride: int | None = None,
    detokenizer: str = "none",
    counts_line_ends: bool = False,
) -> Task:
    """Makes the task of predicting every token of texts.

    Args:
        documents: Pairs of a text's name, for errors, and the text; each text
            is read by itself, from its beginning.
        tokenizer: What has `encode_batch` and `end_of_text_id`.
        max_length: Tokens that the model reads at a time.
        stride: Tokens from one window to the next; None: half a window.
        detokenizer: One of `DETOKENIZERS`.
        counts_line_ends: Whether the end of a line counts as a word, as where
            a benchmark has a token for it.

    Returns:
        A task with the figures `loss` (nats per token), `token_perplexity`,
        `word_perplexity`, `bits_per_byte`, `bits_per_character` and
        `token_accuracy`.

    Raises:
        ValueError: The texts have fewer than 2 tokens, or an argument is out
            of range.
    """
    if stride is None:
        stride = max(1, max_length // 2)
    cleaned = [detokenize(text, detokenizer) for _, text in documents]
    encoded = tokenizer.encode_batch(cleaned)
    counts = _counts([text for _, text in documents], counts_line_ends)
    counts["tokens"] = sum(map(len, encoded))
    _check_size(documents, counts["tokens"])
    unknown_id = getattr(tokenizer, "unknown_id", None)
    if unknown_id is not None:
        counts["unknown_tokens"] = sum(
            int((ids == unknown_id).sum()) for ids in encoded
        )
    passages = [
        passage
        for (where, _), ids in zip(documents, encoded, strict=True)
        for passage in window_passages(
            np.concatenate([[tokenizer.end_of_text_id], ids]).astype(np.int32),
            max_length,
            stride,
            where,
        )
    ]
    counts["windows"] = len(passages)
    settings: dict[str, Any] = {
        "max_length": max_length,
        "stride": stride,
        "detokenizer": detokenizer,
        "counts_line_ends": counts_line_ends,
    }
    return Task(
        settings,
        _protocol(**settings),
        counts,
        passages,
        lambda scores: _figures(scores, counts),
    )


def _counts(texts: list[str], counts_line_ends: bool) -> dict[str, int]:
    """Counts the texts as they came, before any clean-up."""
    words = sum(len(text.split()) for text in texts)
    if counts_line_ends:
        words += sum(text.count("\n") for text in texts)
    return {
        "documents": len(texts),
        "words": words,
        "characters": sum(map(len, texts)),
        "bytes": sum(len(text.encode()) for text in texts),
    }


def _check_size(documents, tokens: int) -> None:
    if tokens < 2:
        names = ", ".join(where for where, _ in documents[:3])
        raise ValueError(
            "The texts must have 2 tokens or more. Received: "
            f"{tokens} tokens, {names or 'no text'}"
        )


def _figures(scores, counts: dict[str, int]) -> dict[str, float | None]:
    nats = -math.fsum(score.logprob for score in scores)
    bits = nats / math.log(2)
    likeliest = sum(score.num_likeliest for score in scores)
    return {
        "loss": nats / counts["tokens"],
        "token_perplexity": perplexity(nats, counts["tokens"]),
        "word_perplexity": perplexity(nats, counts["words"]),
        "bits_per_byte": bits / counts["bytes"],
        "bits_per_character": bits / counts["characters"],
        "token_accuracy": likeliest / counts["tokens"],
    }


def perplexity(nats: float, count: int) -> float | None:
    """Returns exp(nats / count), None where that is no finite number."""
    try:
        return math.exp(nats / count)
    except (OverflowError, ZeroDivisionError):
        return None


def _protocol(
    max_length: int, stride: int, detokenizer: str, counts_line_ends: bool
) -> list[str]:
    ends = ", and the end of a line is one" if counts_line_ends else ""
    clean_up = (
        "It is read as it is"
        if detokenizer == "none"
        else f"It is read after the clean-up `{detokenizer}`"
    )
    return [
        f"A text is a file or example. {clean_up}.",
        "Each token is scored once; the first of a text behind <|endoftext|>, "
        "and no end of text is scored.",
        f"Windows of {max_length} tokens begin every {stride} tokens, and "
        "score what no earlier one has: but for the first, behind "
        f"{max_length - stride + 1} tokens of context at least.",
        "Words, characters and bytes (UTF-8) are those of the text before any "
        f"clean-up; words stand between white space{ends}.",
        "Perplexity is exp(nats / count), bits per byte are nats / ln 2 / "
        "bytes, nats being summed over all tokens; accuracy is the share of "
        "tokens that are the likeliest.",
    ]
