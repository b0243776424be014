"""An evaluation in, what is printed and what is kept of it out."""

import dataclasses

from gpt_keras.evaluation.evaluator import Evaluation
from gpt_keras.evaluation.suites import PUBLISHED_SIZES
from gpt_keras.evaluation.suites import PUBLISHED_SOURCE
from gpt_keras.evaluation.suites import SUITES
from gpt_keras.evaluation.task import Task


def to_json(
    suite: str, task: Task, evaluation: Evaluation, source: dict
) -> dict:
    """Returns all that there is to say, for a file.

    Args:
        suite: A name in `SUITES`.
        task: What was evaluated.
        evaluation: What it came to.
        source: Where the texts are from.
    """
    facts = dataclasses.asdict(evaluation)
    return {
        "format": 1,
        "suite": suite,
        "figures": facts.pop("figures"),
        "counts": task.counts,
        "settings": task.settings,
        "protocol": task.protocol,
        "published": _published(suite),
        "source": source,
        **facts,
    }


def to_text(suite: str, task: Task, evaluation: Evaluation) -> str:
    """Returns a table of the figures, and below it how they came about."""
    published = SUITES[suite].published
    sizes = PUBLISHED_SIZES if published else ()
    rows = [[suite, "this model", *(f"GPT-2 {size}" for size in sizes)]]
    for name, value in evaluation.figures.items():
        others = published.get(name, [None] * len(sizes))
        rows.append([name, _number(value), *map(_number, others)])
    lines = [
        f"{name:20}" + "".join(f"{cell:>14}" for cell in cells)
        for name, *cells in rows
    ]
    lines += ["", *_facts(suite, task, evaluation), "", "Protocol:"]
    return "\n".join([*lines, *(f"- {line}" for line in task.protocol)])


def _facts(suite: str, task: Task, evaluation: Evaluation) -> list[str]:
    counts = [
        f"{name.replace('_', ' ')} {count:,}"
        for name, count in task.counts.items()
    ]
    model, tokenizer = evaluation.model, evaluation.tokenizer
    lines = [
        ", ".join(counts),
        f"model: {model['parameters']:,} parameters, SHA-256 of the weights "
        f"{model['weights_sha256']}",
        f"tokenizer: {tokenizer['kind']}, {tokenizer['vocab_size']:,} ids, "
        f"SHA-256 {tokenizer['fingerprint']}",
        f"read in {evaluation.seconds:.1f} s, "
        f"{evaluation.tokens_per_second:,.0f} tokens/s",
    ]
    if SUITES[suite].published:
        lines.append(f"published: {PUBLISHED_SOURCE}. {SUITES[suite].note}")
    return lines


def _published(suite: str) -> dict | None:
    published, note = SUITES[suite].published, SUITES[suite].note
    if not published:
        return None
    figures = {
        name: dict(zip(PUBLISHED_SIZES, values, strict=True))
        for name, values in published.items()
    }
    return {"source": PUBLISHED_SOURCE, "note": note, "figures": figures}


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.4f}" if value < 1e6 else f"{value:.4e}"
