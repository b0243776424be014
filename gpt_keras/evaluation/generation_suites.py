"""The name of a task of writing in, how what is written is scored out."""

from collections.abc import Callable
from typing import NamedTuple

from gpt_keras.evaluation import trivial_baselines


class GenerationSuite(NamedTuple):
    """How a task is scored.

    Attributes:
        template: Of its prompts.
        metrics: Names, of `METRICS`.
        field: Of the template, what a baseline is made of; empty: none.
        baseline: Makes it.
        baseline_name: What it is.
        max_new_tokens: The most tokens of a text.
    """

    template: str
    metrics: tuple[str, ...]
    field: str = ""
    baseline: Callable[[str], str] | None = None
    baseline_name: str = ""
    max_new_tokens: int = 128


GENERATION_SUITES = {
    "translate": GenerationSuite(
        "translate:en-de",
        ("bleu", "chrf"),
        "source",
        trivial_baselines.copied,
        "copy of the source",
    ),
    "answer": GenerationSuite(
        "answer",
        ("exact_match", "f1"),
        "context",
        trivial_baselines.longest_name,
        "longest name in the context",
        max_new_tokens=32,
    ),
    "summarise": GenerationSuite(
        "summarise",
        ("rouge1", "rouge2", "rougeL"),
        "document",
        trivial_baselines.first_sentence,
        "first sentence",
    ),
    "write": GenerationSuite(
        "write", ("distinct1", "distinct2", "repetition4")
    ),
    "pair": GenerationSuite("pair", ("accuracy", "chrf")),
}


def suite_of(template: str) -> str:
    """Returns the suite of a template's name; `pair` for any other."""
    name = template.split(":")[0]
    return name if name in GENERATION_SUITES else "pair"
