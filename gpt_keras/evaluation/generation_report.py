"""A task and its result in, a table to read and a value for JSON out."""

import dataclasses

from gpt_keras.evaluation.generation_task import GenerationResult
from gpt_keras.evaluation.generation_task import GenerationTask
from gpt_keras.evaluation.score import Score

_CELL = 300  # characters of a text in a table of TensorBoard


def to_json(
    suite: str, task: GenerationTask, result: GenerationResult, facts: dict
) -> dict:
    """Returns all that there is to say, for a file.

    Args:
        suite: What it is called.
        task: What was generated.
        result: What it came to.
        facts: What else to say, such as the source and the model.
    """
    return {
        "format": 1,
        "suite": suite,
        "scores": {
            name: dataclasses.asdict(score)
            for name, score in result.scores.items()
        },
        "baseline": {
            name: dataclasses.asdict(score)
            for name, score in result.baseline.items()
        },
        "baseline_name": task.baseline_name if result.baseline else None,
        "examples": len(task.examples),
        "language": task.language,
        "settings": task.settings,
        "resumed": result.resumed,
        "seconds": result.seconds,
        "texts": [
            {
                **example.shown,
                "references": list(example.references),
                "output": text,
            }
            for example, text in zip(
                task.examples, result.predictions, strict=True
            )
        ],
        **facts,
    }


def to_text(suite: str, task: GenerationTask, result: GenerationResult) -> str:
    """Returns a table of the scores, and below it what they are of."""
    heads = [suite, "this model", "95% interval"]
    if result.baseline:
        heads.append(task.baseline_name)
    rows = [heads]
    for name, score in result.scores.items():
        rows.append([name, f"{score.value:.2f}", _interval(score)])
        if result.baseline:
            rows[-1].append(f"{result.baseline[name].value:.2f}")
        rows += [
            [f"  {part}", f"{value:.2f}", "", ""][: len(heads)]
            for part, value in score.parts.items()
        ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines += [
        "",
        f"{len(task.examples):,} examples, generated in {result.seconds:.1f} s",
        "",
        "Signatures:",
        *(f"- {name}: {x.signature}" for name, x in result.scores.items()),
    ]
    return "\n".join(lines)


def to_markdown(
    task: GenerationTask, result: GenerationResult, most: int = 20
) -> str:
    """Returns a table of examples, for TensorBoard's text.

    Args:
        task: What was generated.
        result: What it came to.
        most: Examples in the table, the first ones.
    """
    lines = ["| prompt | reference | output |", "|---|---|---|"]
    examples = task.examples[:most]
    for example, text in zip(examples, result.predictions, strict=False):
        cells = (
            " / ".join(example.shown.values()),
            " / ".join(example.references),
            text,
        )
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines)


def _interval(score: Score) -> str:
    if score.interval is None:
        return ""
    return "{:.2f} to {:.2f}".format(*score.interval)


def _cell(text: str) -> str:
    """A text as one cell of Markdown, nothing in it a mark."""
    if len(text) > _CELL:
        text = f"{text[:_CELL]}…"
    marked = "".join(
        f"&#{ord(x)};" if x in "\\`*_{}[]()#+-.!|<>&~" else x for x in text
    )
    return " ".join(marked.split())
