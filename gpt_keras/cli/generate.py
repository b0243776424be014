"""Writes on from a prompt.

python -m tools.generate --model_dir=runs/quickstart --prompt='The '
"""

import sys
import time
from collections.abc import Iterator

import tqdm
from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli import safety
from gpt_keras.cli import sampling
from gpt_keras.cli.model_source import read_model
from gpt_keras.generation.text_generator import GenerationResult
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.progress import Progress
from gpt_keras.progress import Working

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
    sampling.define_flags(values)
    safety.define_flags(values)


def main(values):
    """Prints each prompt with its completion."""
    model, tokenizer = read_model(values.model_dir, best=values.best)
    generator = TextGenerator(model, tokenizer, safety.policy(values))
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


def run():
    """Runs the program."""
    program.run(define_flags, main)
