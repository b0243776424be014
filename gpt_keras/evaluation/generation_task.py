"""Prompts with references and what generates in, texts and scores out."""

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from gpt_keras.evaluation.partial_results import PartialResults
from gpt_keras.evaluation.score import Score
from gpt_keras.evaluation.text_metrics import check_metrics
from gpt_keras.evaluation.text_metrics import score_texts

BATCH_SIZE = 16
_FORMAT = "1"  # of what predictions are: another one doesn't mix with this


@dataclasses.dataclass(frozen=True)
class GenerationExample:
    """A prompt and the texts that are right.

    Attributes:
        prompt: What the function that generates takes: JSON can hold it.
        references: One or more.
        shown: The prompt as it is shown, by the names of its fields.
        baseline: What a trivial way writes; None where there is none.
        size: Of the prompt: those of about one size are generated together.
    """

    prompt: Any
    references: tuple[str, ...]
    shown: dict[str, str] = dataclasses.field(default_factory=dict)
    baseline: str | None = None
    size: int = 0


@dataclasses.dataclass(frozen=True)
class GenerationTask:
    """What is generated, and how it is scored.

    Args:
        examples: One or more.
        metrics: Names, of `METRICS`.
        language: Of the texts: what their words are.
        stemmer: For ROUGE.
        num_samples: Of the bootstrap for the intervals; 0: none.
        baseline_name: What the examples' baseline is.
        settings: What else decides over the texts, by name.

    Raises:
        ValueError: There are no examples, or the metrics are wrong.
    """

    examples: Sequence[GenerationExample]
    metrics: tuple[str, ...]
    language: str = "en"
    stemmer: bool = False
    num_samples: int = 0
    baseline_name: str = ""
    settings: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check_metrics(self.metrics)
        if not self.examples:
            raise ValueError(
                "There must be one example or more. Received: none"
            )

    def score(self, texts: Sequence[str]) -> dict[str, Score]:
        """Returns the scores of texts, one for each example."""
        return score_texts(
            self.metrics,
            texts,
            [example.references for example in self.examples],
            language=self.language,
            stemmer=self.stemmer,
            num_samples=self.num_samples,
        )

    def baseline_scores(self) -> dict[str, Score]:
        """Returns those of the baseline; none where an example has none."""
        baselines = [example.baseline for example in self.examples]
        texts = [text for text in baselines if text is not None]
        return self.score(texts) if len(texts) == len(baselines) else {}


class Prediction(NamedTuple):
    """What was generated for an example."""

    text: str


@dataclasses.dataclass(frozen=True)
class GenerationResult:
    """What a task came to.

    Attributes:
        predictions: A text for each example.
        scores: By the names of the metrics.
        baseline: Scores of the baseline, likewise; none where there is none.
        resumed: How many texts an earlier try had generated.
        seconds: Of the generation, this try alone.
    """

    predictions: list[str]
    scores: dict[str, Score]
    baseline: dict[str, Score]
    resumed: int
    seconds: float


def run_generation_task(
    task: GenerationTask,
    generate: Callable[[list], Sequence[str]],
    *,
    batch_size: int = BATCH_SIZE,
    partial_file: str | os.PathLike | None = None,
    identity: dict[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> GenerationResult | None:
    """Generates a text for each example, and scores them.

    Args:
        task: What to generate.
        generate: Takes prompts and gives as many texts.
        batch_size: Prompts that it is given at once.
        partial_file: Where the texts of each batch go, for a killed evaluation
            to go on from; None: nowhere. Whoever has kept the result removes
            it.
        identity: Says which model and tokenizer generate, for that file.
        progress: Called before the first and after each batch with the texts
            that there are, and with all.
        should_stop: Asked before each batch.

    Returns:
        The result; None where it had to stop.

    Raises:
        ValueError: `generate` gives another number of texts, or the file is
            of another evaluation.
        OSError: The file can't be read or written.
    """
    texts, append = _texts_so_far(task, partial_file, identity)
    began, resumed = time.monotonic(), len(texts)
    progress = progress or (lambda done, total: None)
    progress(resumed, len(task.examples))
    for indices in _batches(task.examples, texts, batch_size):
        if should_stop():
            return None
        found = generate([task.examples[n].prompt for n in indices])
        if len(found) != len(indices):
            raise ValueError(
                "`generate` must give a text for each prompt. Received: "
                f"{len(found)} texts for {len(indices)} prompts"
            )
        rows = zip(indices, map(Prediction, found), strict=True)
        append(dict(rows))
        progress(len(texts), len(task.examples))
    seconds = time.monotonic() - began
    predictions = [texts[n].text for n in range(len(task.examples))]
    return GenerationResult(
        predictions,
        task.score(predictions),
        task.baseline_scores(),
        resumed,
        seconds,
    )


def _texts_so_far(task, partial_file, identity):
    """Returns the predictions that there are, and what adds more of them."""
    if partial_file is None:
        texts: dict[int, Prediction] = {}
        return texts, texts.update
    same = {
        "format": _FORMAT,
        **(identity or {}),
        "the settings": json.dumps(task.settings),
        "the examples": _digest(task.examples),
    }
    partial = PartialResults(partial_file, same, _prediction)
    return partial.scores, partial.append


def _prediction(values: Sequence) -> Prediction:
    (text,) = values
    if not isinstance(text, str):
        raise TypeError("a prediction is a text")
    return Prediction(text)


def _digest(examples) -> str:
    """SHA-256, in hexadecimal, of the prompts."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(json.dumps(example.prompt).encode() + b"\n")
    return digest.hexdigest()


def _batches(examples, texts, batch_size: int):
    """Yields the indices of what is missing, the shortest prompts first."""
    if batch_size < 1:
        raise ValueError(
            f"`batch_size` must be positive. Received: batch_size={batch_size}"
        )
    missing = [n for n in range(len(examples)) if n not in texts]
    missing.sort(key=lambda n: examples[n].size)
    for start in range(0, len(missing), batch_size):
        yield missing[start : start + batch_size]
