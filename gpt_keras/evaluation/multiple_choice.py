"""Questions with several endings in, the task of choosing one out."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gpt_keras.evaluation.json_lines import JsonLine
from gpt_keras.evaluation.passages import passage_behind
from gpt_keras.evaluation.task import Task


class Choice(NamedTuple):
    """A context, its possible endings, and which one is right.

    Attributes:
        context: The text before.
        endings: Two or more.
        label: The right one's index.
        where: What to call it in an error.
    """

    context: str
    endings: list[str]
    label: int
    where: str


def read_choice(line: JsonLine) -> Choice:
    """Reads an item of HellaSwag: `ctx`, `endings` and `label`.

    Raises:
        ValueError: A field is missing or wrong, or an ending has no text.
    """
    endings = [clean(ending) for ending in line.texts("endings")]
    if not all(endings):
        raise ValueError(
            f"{line.where}: `endings` must have text, brackets aside. "
            f"Received: endings[{endings.index('')}]"
        )
    return Choice(
        clean(line.text("ctx")),
        endings,
        line.index("label", len(endings)),
        line.where,
    )


def clean(text: str) -> str:
    """Takes out the marks of WikiHow's pages and of ActivityNet's captions.

    `[title]` begins a heading, which becomes a sentence; what else stands in
    brackets, `[step]` or `[substeps]`, goes.
    """
    text = re.sub(r"\s*\[title\]\s*", ". ", text)
    text = re.sub(r"\[[^\[\]]*\]", " ", text)
    return re.sub(r"\s+", " ", text).strip()


def multiple_choice_task(
    choices: Iterable[Choice], tokenizer, *, max_length: int
) -> Task:
    """Makes the task of giving the right ending the highest likelihood.

    Args:
        choices: One or more.
        tokenizer: What has `encode_batch` and `end_of_text_id`.
        max_length: Tokens that the model reads at a time.

    Returns:
        A task with the figures `accuracy`, by the endings' likelihood,
        `accuracy_per_byte`, by the likelihood's logarithm divided by the
        ending's bytes, and `chance_accuracy`, of guessing.

    Raises:
        ValueError: There are no choices, or an ending is too long.

    Reference:
        Zellers et al. 2019, HellaSwag; Brown et al. 2020, §2.4, for the
        likelihood divided by length.
    """
    choices = list(choices)
    if not choices:
        raise ValueError("There must be one item or more. Received: none")
    contexts = tokenizer.encode_batch([choice.context for choice in choices])
    endings = iter(
        tokenizer.encode_batch(
            [f" {ending}" for choice in choices for ending in choice.endings]
        )
    )
    passages = [
        passage_behind(
            context if len(context) else [tokenizer.end_of_text_id],
            next(endings),
            max_length,
            f"{choice.where}, ending {number}",
        )
        for choice, context in zip(choices, contexts, strict=True)
        for number in range(len(choice.endings))
    ]
    counts = {
        "items": len(choices),
        "endings": len(passages),
        "tokens": sum(passage.num_scored for passage in passages),
        "truncated_endings": sum(passage.num_cut > 0 for passage in passages),
    }
    return Task(
        {"max_length": max_length},
        _protocol(max_length),
        counts,
        passages,
        lambda scores: _figures(scores, choices),
    )


def _figures(scores, choices: list[Choice]) -> dict[str, float | None]:
    right = right_per_byte = chance = 0.0
    start = 0
    for choice in choices:
        end = start + len(choice.endings)
        logprobs = np.array([score.logprob for score in scores[start:end]])
        sizes = [len(ending.encode()) for ending in choice.endings]
        right += np.argmax(logprobs) == choice.label
        right_per_byte += np.argmax(logprobs / sizes) == choice.label
        chance += 1 / len(choice.endings)
        start = end
    return {
        "accuracy": float(right / len(choices)),
        "accuracy_per_byte": float(right_per_byte / len(choices)),
        "chance_accuracy": chance / len(choices),
    }


def _protocol(max_length: int) -> list[str]:
    return [
        "Read are `ctx` and each of `endings`, with one space between; other "
        "fields, the activity's label too, are not.",
        "`[title]` becomes a full stop, anything else in brackets goes, and "
        "white space becomes one space.",
        "Context and ending are cut into tokens each for itself; the ending's "
        "are scored, behind the context without <|endoftext|> before it.",
        "The ending of the highest likelihood is chosen, of equal ones the "
        "first; `accuracy_per_byte` divides the logarithm by the ending's "
        "UTF-8 bytes, the space left out.",
        f"Of a context that doesn't fit into {max_length} tokens the end is "
        "kept; such endings are counted as truncated.",
    ]
