"""A model and prompts of token ids in, what it writes behind them out."""

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from gpt_keras.evaluation import identity
from gpt_keras.evaluation.evaluator import TOKENS_PER_BATCH
from gpt_keras.evaluation.evaluator import Evaluation
from gpt_keras.evaluation.partial_results import PartialResults
from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import make_settings

_FORMAT = "continuations 1"  # another one doesn't mix with this


@dataclasses.dataclass(frozen=True)
class Prompt:
    """What a model goes on from, and how.

    Attributes:
        token_ids: None: as a document begins.
        max_new_tokens: The most tokens to write.
        temperature: 0 always takes the likeliest token.
        seed: Of the row's random numbers.
    """

    token_ids: tuple[int, ...]
    max_new_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class ContinuationTask:
    """What is continued, and what the continuations mean.

    Attributes:
        settings: What decides over the figures, by name.
        protocol: The same in sentences, with what is not to be set.
        counts: What was counted, by name.
        prompts: What the model goes on from.
        figures: Takes the token ids that were written behind each prompt, in
            their order, and gives figures by name; None stands for one that
            there isn't.
    """

    settings: dict
    protocol: list[str]
    counts: dict[str, int]
    prompts: list[Prompt]
    figures: Callable[[Sequence[tuple[int, ...]]], dict[str, float | None]]


def evaluate_continuations(
    model,
    tokenizer,
    task: ContinuationTask,
    *,
    partial_file: str | os.PathLike | None = None,
    tokens_per_batch: int = TOKENS_PER_BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Lets a model continue prompts.

    Args:
        model: A `GPTModel`, or what `Decoder` takes, with `weights` and
            `get_config`.
        tokenizer: The model's.
        task: What to continue.
        partial_file: As for `evaluate`.
        tokens_per_batch: The most tokens that are there at once, prompts and
            what follows.
        progress: Called before the first and after each batch with the
            tokens that were read and written, and with all.

    Returns:
        The figures. Of its counts, a prompt is a passage.

    Raises:
        ValueError: The file is of another evaluation, `tokens_per_batch` is
            below 1, or the tokenizer doesn't fit the model.
        OSError: The file can't be read or written.
    """
    if tokens_per_batch < 1:
        raise ValueError(
            "`tokens_per_batch` must be 1 or more. Received: "
            f"tokens_per_batch={tokens_per_batch}"
        )
    write = _Writer(model, tokenizer)
    facts = {
        "model": identity.model_identity(model),
        "tokenizer": identity.tokenizer_identity(tokenizer),
    }
    began = time.monotonic()
    made, append = _made_so_far(partial_file, facts, task)
    resumed = len(made)
    sizes = [len(p.token_ids) + p.max_new_tokens for p in task.prompts]
    done = before = sum(sizes[index] for index in made)
    progress = progress or (lambda done, total: None)
    progress(done, sum(sizes))
    for indices in _batches(sizes, made, tokens_per_batch):
        new = write([task.prompts[index] for index in indices])
        append(dict(zip(indices, new, strict=True)))
        done += sum(sizes[index] for index in indices)
        progress(done, sum(sizes))
    figures = task.figures([made[n] for n in range(len(task.prompts))])
    seconds = time.monotonic() - began
    return Evaluation(
        figures=figures,
        **facts,
        resumed_passages=resumed,
        seconds=seconds,
        tokens_per_second=(done - before) / seconds,
    )


class _Writer:
    """Continues batches of prompts, by one graph for all of their sizes."""

    def __init__(self, model, tokenizer):
        decoder = Decoder(model, tokenizer)
        self._graph = tf.function(
            decoder.generate,
            input_signature=[
                tf.TensorSpec([None, None], tf.int32),
                tf.TensorSpec([None], tf.int32),
                SETTINGS_SPEC,
            ],
            autograph=False,
        )

    def __call__(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        lengths = np.array([len(p.token_ids) for p in prompts], np.int32)
        ids = np.zeros((len(prompts), lengths.max()), np.int32)
        for row, prompt in zip(ids, prompts, strict=True):
            row[: len(prompt.token_ids)] = prompt.token_ids
        settings = make_settings(
            len(prompts),
            **{
                name: [getattr(prompt, name) for prompt in prompts]
                for name in ("max_new_tokens", "temperature", "seed")
            },
        )
        made = self._graph(ids, lengths, settings)
        rows = zip(made.token_ids.numpy(), made.lengths.numpy(), strict=True)
        return [tuple(row[:length].tolist()) for row, length in rows]


def _made_so_far(partial_file, facts, task):
    """Returns the continuations that there are, and what adds more of them."""
    if partial_file is None:
        made: dict[int, tuple[int, ...]] = {}
        return made, made.update
    same = {
        "format": _FORMAT,
        "the model's weights": facts["model"]["weights_sha256"],
        "the model's configuration": json.dumps(facts["model"]["config"]),
        "the tokenizer": facts["tokenizer"]["fingerprint"],
        "the settings": json.dumps(task.settings),
        "the prompts": _digest(task.prompts),
    }
    partial = PartialResults(partial_file, same, _checked)
    return partial.scores, partial.append


def _checked(token_ids: Sequence) -> tuple[int, ...]:
    if not all(type(token_id) is int for token_id in token_ids):
        raise ValueError("no token ids")
    return tuple(token_ids)


def _digest(prompts: Sequence[Prompt]) -> str:
    rows = [dataclasses.astuple(prompt) for prompt in prompts]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _batches(sizes, made, tokens_per_batch) -> Iterator[list[int]]:
    """Yields the indices of the prompts that were not continued, by batch."""
    batch = []
    for index, size in enumerate(sizes):
        if index in made:
            continue
        if (
            batch
            and (len(batch) + 1) * max(size, *(sizes[other] for other in batch))
            > tokens_per_batch
        ):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
