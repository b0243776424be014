"""Writes on from a prompt.

    python -m tools.generate --model_dir=runs/quickstart --prompt='The '

A model that was trained for a task gets its fields:

    python -m tools.generate --model_dir=runs/translate --task=translate \\
        --field=source='A dog runs.'

With `--beams=4` it writes the likeliest text that a beam search finds.
"""

import sys
import time
from collections.abc import Iterator

import tqdm
from absl import flags

from gpt_keras.cli import beams
from gpt_keras.cli import program
from gpt_keras.cli import safety
from gpt_keras.cli import sampling
from gpt_keras.cli import task_flags
from gpt_keras.cli.model_source import read_model
from gpt_keras.generation.task_generator import TaskGenerator
from gpt_keras.generation.tasks import make_task
from gpt_keras.generation.text_generator import GenerationResult
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.progress import Progress
from gpt_keras.progress import Working
from gpt_keras.text.template import find_template

_ROWS = 32  # prompts at a time


def define_flags(values):
    """Defines the program's flags."""
    program.define_model_dir(values)
    flags.DEFINE_multi_string(
        "prompt",
        [""],
        "Text to go on from; several times for several texts.",
        flag_values=values,
    )
    task_flags.define_fields(values)
    sampling.define_flags(values)
    beams.define_flags(values)
    safety.define_flags(values)


def main(values):
    """Prints each prompt with its completions."""
    if values.task is not None:
        return _run_task(values)
    if values.field:
        raise ValueError("`field` needs `task`. Received: none")
    model, tokenizer = read_model(values.model_dir, best=values.best)
    generator = TextGenerator(model, tokenizer, safety.policy(values))
    searching = beams.settings(values)
    if searching is not None:
        with Working("Searching"):
            results = generator.beam_search(values.prompt, **searching)
        return _print_hypotheses(results, values.num_return)
    settings = sampling.settings(values)
    for result in _generated(generator, values.prompt, settings):
        tqdm.tqdm.write(result.prompt + result.text)
        if result.finish_reason == "max_length":
            tqdm.tqdm.write(
                "(stopped at the model's max_length; --overflow=roll goes on)",
                file=sys.stderr,
            )


def _generated(generator, prompts, settings) -> Iterator[GenerationResult]:
    """Yields what follows on each prompt, so many at a time."""
    if len(prompts) <= _ROWS:
        with Working("Generating"):
            results = generator.generate(prompts, **settings)
        yield from results
        return
    tokens, begin = 0, time.monotonic()
    with Progress("Generating", len(prompts), "prompts", initial=0) as progress:
        for start in range(0, len(prompts), _ROWS):
            part = prompts[start : start + _ROWS]
            results = generator.generate(part, **settings)
            tokens += sum(len(one.token_ids) for one in results)
            rate = tokens / (time.monotonic() - begin)
            progress.note = f"{rate:,.0f} tok/s"
            progress.show(start + len(part))
            yield from results


def _run_task(values):
    """Prints the answers to a task."""
    template = find_template(values.task)
    given = task_flags.given_settings(values)
    if values.answer_from is not None:
        given["answer_from"] = values.answer_from
    if values["beams"].present or values["length_penalty"].present:
        named = {x: values[x].value for x in ("beams", "length_penalty")}
        given |= {x: y for x, y in named.items() if values[x].present}
    if values.num_return != 1:
        raise ValueError(
            "A task must have one answer. Received: "
            f"num_return={values.num_return}"
        )
    task = make_task(template, values.task, **given)
    fields = task_flags.fields(values, template)
    model, tokenizer = read_model(values.model_dir, best=values.best)
    generator = TaskGenerator(model, tokenizer, task, safety.policy(values))
    results = generator.run(None, **fields)
    for result in results if isinstance(results, list) else [results]:
        print(result.text)
        if result.is_cut:
            print(f"(its {template.truncate} was cut)", file=sys.stderr)


def _print_hypotheses(results, num_return):
    """Prints each prompt's best ones, with their scores if there are more."""
    for result in results:
        for one in result.hypotheses:
            score = f"{one.score:.4f}  " if num_return > 1 else ""
            print(score + result.prompt + one.text)


def run():
    """Runs the program."""
    program.run(define_flags, main)
