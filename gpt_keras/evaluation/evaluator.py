"""A model, a tokenizer and a task in, the task's figures out."""

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable
from collections.abc import Iterator

import numpy as np

from gpt_keras.evaluation import identity
from gpt_keras.evaluation.length_batches import length_batches
from gpt_keras.evaluation.partial_results import PartialResults
from gpt_keras.evaluation.task import PassageScore
from gpt_keras.evaluation.task import Task
from gpt_keras.evaluation.token_scorer import TokenScorer

TOKENS_PER_BATCH = 4096
_FORMAT = "1"  # of what scores are: another one doesn't mix with this


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to.

    Attributes:
        figures: By name; None stands for one that there isn't.
        model: See `model_identity`.
        tokenizer: See `tokenizer_identity`.
        resumed_passages: How many passages an earlier try had scored.
        seconds: Of the scoring, this try alone.
        tokens_per_second: Tokens that the model read, padding left out.
    """

    figures: dict[str, float | None]
    model: dict
    tokenizer: dict
    resumed_passages: int
    seconds: float
    tokens_per_second: float


def evaluate(
    model,
    tokenizer,
    task: Task,
    *,
    partial_file: str | os.PathLike | None = None,
    tokens_per_batch: int = TOKENS_PER_BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Scores the passages of a task.

    Args:
        model: A `GPTModel`, or what has its `vocab_size`, `max_length`,
            `weights`, `get_config`, `hidden_states` and `logits`.
        tokenizer: The one that made the passages, or what has its
            `vocab_size`, `kind` and `fingerprint`.
        task: What to score.
        partial_file: Where the scores of each batch go, for a killed
            evaluation to go on from; None: nowhere. Whoever has kept the
            figures removes it.
        tokens_per_batch: The most tokens that are read at once.
        progress: Called before the first and after each batch with the
            tokens that were read, earlier tries included, and with all.

    Returns:
        The figures, and what they are figures of.

    Raises:
        ValueError: Tokenizer or passages don't fit the model, a probability
            is not a number, or the file is of another evaluation.
        OSError: The file can't be read or written.
    """
    _check_fit(model, tokenizer, task.passages)
    facts = {
        "model": identity.model_identity(model),
        "tokenizer": identity.tokenizer_identity(tokenizer),
    }
    began = time.monotonic()
    scores, append = _scores_so_far(partial_file, facts, task)
    sizes = [len(passage.token_ids) - 1 for passage in task.passages]
    resumed = list(scores)
    read = before = sum(sizes[index] for index in resumed)
    total = sum(sizes)
    progress = progress or (lambda read, total: None)
    progress(read, total)
    scorer = TokenScorer(model, tokenizer.vocab_size)
    batches = _batches(sizes, resumed, tokens_per_batch)
    for new in _new_scores(scorer, task.passages, batches):
        append(new)
        read += sum(sizes[index] for index in new)
        progress(read, total)
    seconds = time.monotonic() - began
    return Evaluation(
        figures=task.figures([scores[n] for n in range(len(task.passages))]),
        **facts,
        resumed_passages=len(resumed),
        seconds=seconds,
        tokens_per_second=(read - before) / seconds,
    )


def _scores_so_far(partial_file, facts, task):
    """Returns the scores that there are, and what adds more of them."""
    if partial_file is None:
        scores: dict[int, PassageScore] = {}
        return scores, scores.update
    same = _what_must_be_the_same(**facts, task=task)
    partial = PartialResults(partial_file, same)
    return partial.scores, partial.append


def _batches(sizes, resumed, tokens_per_batch) -> Iterator[list[int]]:
    """Yields the indices of the passages that have no score, by batch."""
    missing = np.setdiff1d(np.arange(len(sizes)), resumed)
    lengths = [sizes[index] for index in missing]
    for places in length_batches(lengths, tokens_per_batch):
        yield missing[places].tolist()


def _new_scores(scorer, passages, batches) -> Iterator[dict[int, PassageScore]]:
    """Yields the scores of one batch after another, by index."""
    for indices in batches:
        batch = [passages[index] for index in indices]
        yield {
            index: _passage_score(passage, *values)
            for index, passage, values in zip(
                indices, batch, scorer(batch), strict=True
            )
        }


def _passage_score(passage, logprobs, is_likeliest) -> PassageScore:
    total = float(logprobs.sum(dtype=np.float64))
    if not math.isfinite(total):
        raise ValueError(
            "The model must give every token a probability. Received: a "
            f"log-probability of {total}, {passage.where}"
        )
    return PassageScore(total, int(is_likeliest.sum()), bool(is_likeliest[-1]))


def _check_fit(model, tokenizer, passages) -> None:
    size = tokenizer.vocab_size
    if size > model.vocab_size:
        raise ValueError(
            "The tokenizer's vocabulary must not be larger than the model's. "
            f"Received: {size} and {model.vocab_size} ids"
        )
    for passage in passages:
        low, high = passage.token_ids.min(), passage.token_ids.max()
        if low < 0 or high >= size:
            raise ValueError(
                f"Token ids must be from 0 to {size - 1}. Received: "
                f"{low if low < 0 else high}, {passage.where}"
            )
        length = len(passage.token_ids) - 1
        if length > model.max_length:
            raise ValueError(
                f"The model reads {model.max_length} tokens at most. Received: "
                f"{length} tokens, {passage.where}"
            )


def _what_must_be_the_same(model: dict, tokenizer: dict, task: Task):
    """Returns what scores depend on, by the names that an error tells."""
    return {
        "format": _FORMAT,
        "the model's weights": model["weights_sha256"],
        "the model's configuration": json.dumps(model["config"]),
        "the tokenizer": tokenizer["fingerprint"],
        "the settings": json.dumps(task.settings),
        "the passages": identity.passages_digest(task.passages),
    }
