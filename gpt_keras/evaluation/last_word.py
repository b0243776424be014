"""Paragraphs in, the task of predicting their last words out."""

import math
from collections.abc import Sequence

from gpt_keras.evaluation.passages import passage_behind
from gpt_keras.evaluation.perplexity import perplexity
from gpt_keras.evaluation.task import Task


def last_word_task(
    texts: Sequence[tuple[str, str]], tokenizer, *, max_length: int
) -> Task:
    """Makes the task of LAMBADA, in OpenAI's variant of it.

    Args:
        texts: Pairs of a text's name, for errors, and the text.
        tokenizer: What has `encode_batch`.
        max_length: Tokens that the model reads at a time.

    Returns:
        A task with the figures `accuracy`, `last_token_accuracy`,
        `word_perplexity` and `token_perplexity`.

    Raises:
        ValueError: There are no texts, or one has a single word.

    Reference:
        Paperno et al. 2016, The LAMBADA dataset; Radford et al. 2019, §3.3.
    """
    if not texts:
        raise ValueError("There must be one text or more. Received: none")
    parts = [_split(where, text) for where, text in texts]
    contexts, words = (
        tokenizer.encode_batch(list(side)) for side in zip(*parts, strict=True)
    )
    passages = [
        passage_behind(context, word, max_length, where)
        for (where, _), context, word in zip(
            texts, contexts, words, strict=True
        )
    ]
    counts = {
        "items": len(passages),
        "tokens": sum(passage.num_scored for passage in passages),
        "truncated_items": sum(passage.num_cut > 0 for passage in passages),
    }
    return Task(
        {"max_length": max_length},
        _protocol(max_length),
        counts,
        passages,
        lambda scores: _figures(scores, passages, counts),
    )


def _split(where: str, text: str) -> tuple[str, str]:
    context, space, word = text.strip().rpartition(" ")
    if not context.strip():
        raise ValueError(
            "A text must have two words or more, with a space between. "
            f"Received: {ascii(text)[:60]}, {where}"
        )
    return context, space + word


def _figures(scores, passages, counts) -> dict[str, float | None]:
    nats = -math.fsum(score.logprob for score in scores)
    right = sum(
        score.num_likeliest == passage.num_scored
        for score, passage in zip(scores, passages, strict=True)
    )
    last = sum(score.ends_in_likeliest for score in scores)
    return {
        "accuracy": right / counts["items"],
        "last_token_accuracy": last / counts["items"],
        "word_perplexity": perplexity(nats, counts["items"]),
        "token_perplexity": perplexity(nats, counts["tokens"]),
    }


def _protocol(max_length: int) -> list[str]:
    return [
        "The last word is what follows the last space of a text without white "
        "space at its ends; the space belongs to it.",
        "Context and last word are cut into tokens each for itself; the "
        "context has no <|endoftext|> before it.",
        "A word is right if each of its tokens is the likeliest of the whole "
        "vocabulary behind the right ones before it; no word is filtered out, "
        "stop words included.",
        "`last_token_accuracy` looks at the last token of the word alone, "
        "behind the right ones before it.",
        "Perplexity is exp(nats / words) and exp(nats / tokens of the words).",
        f"Of a context that doesn't fit into {max_length} tokens the end is "
        "kept; such items are counted as truncated.",
    ]
