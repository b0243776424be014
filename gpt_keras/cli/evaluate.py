r"""Evaluates a model on texts, by the protocols of published figures.

    python -m tools.evaluate --model_dir=runs/quickstart --text='books/*.txt'
    python -m tools.evaluate --model_dir=runs/quickstart --suite=wikitext2 \
        --text=wiki.test.raw --json=wikitext2.json
    python -m tools.evaluate --model_dir=runs/quickstart --suite=memorisation
    python -m tools.evaluate --model_dir=runs/translation --suite=translate \
        --pairs=test.en,test.de --html=examples.html

With --json or --resume_dir the same command goes on where it was stopped.
"""

import json
import os
import sys

from absl import flags

from gpt_keras.cli import evaluation_task
from gpt_keras.cli import generation_evaluation
from gpt_keras.cli import memorisation
from gpt_keras.cli import program
from gpt_keras.cli.model_source import read_model
from gpt_keras.evaluation import report
from gpt_keras.evaluation.continuations import evaluate_continuations
from gpt_keras.evaluation.evaluator import TOKENS_PER_BATCH
from gpt_keras.evaluation.evaluator import evaluate
from gpt_keras.evaluation.generation_suites import GENERATION_SUITES
from gpt_keras.files import write_atomically
from gpt_keras.progress import Progress


def define_flags(values):
    """Defines the program's flags."""
    program.define_model_dir(values)
    evaluation_task.define_flags(values)
    memorisation.define_flags(values)
    generation_evaluation.define_flags(values)
    flags.DEFINE_integer(
        "batch_tokens",
        TOKENS_PER_BATCH,
        "Most tokens that are read at once.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "json",
        None,
        "File for figures, counts and protocol. What is done so far stands "
        "beside it, to go on from.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "resume_dir",
        None,
        "Folder for what is done so far, instead of beside --json.",
        flag_values=values,
    )


def main(values):
    """Prints the figures; returns the exit status."""
    memorisation.check_flags(values)
    generation_evaluation.check_flags(values)
    is_generated = values.suite in GENERATION_SUITES
    kind = generation_evaluation.GenerationEvaluation
    evaluation = (kind if is_generated else _Scoring)(values)
    partial_file = _partial_file(values)
    try:
        with Progress("Evaluating", unit=evaluation.unit) as progress:
            result = evaluation.run(partial_file, progress.show)
    except KeyboardInterrupt:
        kept = "the same command goes on" if partial_file else "nothing is kept"
        print(f"stopped: {kept}", file=sys.stderr)
        return 130  # as a shell reports a stopped program
    facts, text = evaluation.tell(result)
    if values.json:
        content = json.dumps(facts, indent=2, allow_nan=False)
        write_atomically(values.json, content + "\n")
    if partial_file:
        os.unlink(partial_file)
    print(text)
    return 0


class _Scoring:
    """An evaluation of texts that are given, as the flags say."""

    unit = "tokens"

    def __init__(self, values):
        self._values = values
        is_memorisation = values.suite == memorisation.SUITE
        kind = memorisation if is_memorisation else evaluation_task
        self._evaluate = evaluate_continuations if is_memorisation else evaluate
        source = kind.make_source(values)
        self._source = source.description
        self._model, self._tokenizer = read_model(
            values.model_dir, best=values.best
        )
        self._task = kind.make_task(
            values, source, self._tokenizer, self._model.max_length
        )

    def run(self, partial_file, progress):
        return self._evaluate(
            self._model,
            self._tokenizer,
            self._task,
            partial_file=partial_file,
            tokens_per_batch=self._values.batch_tokens,
            progress=progress,
        )

    def tell(self, result) -> tuple[dict, str]:
        suite, task = self._values.suite, self._task
        return (
            report.to_json(suite, task, result, self._source),
            report.to_text(suite, task, result),
        )


def _partial_file(values) -> str | None:
    if values.resume_dir:
        return os.path.join(values.resume_dir, f"{values.suite}.partial")
    return f"{values.json}.partial" if values.json else None


def run():
    """Runs the program."""
    program.run(define_flags, main)
