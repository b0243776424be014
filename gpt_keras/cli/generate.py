"""Writes on from a prompt.

    python -m tools.generate --model_dir=runs/quickstart --prompt='The '

With `--beams=4` it writes the likeliest text that a beam search finds.
"""

import sys

from absl import flags

from gpt_keras.cli import beams
from gpt_keras.cli import program
from gpt_keras.cli import safety
from gpt_keras.cli import sampling
from gpt_keras.cli.model_source import read_model
from gpt_keras.generation.text_generator import TextGenerator


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
    beams.define_flags(values)
    safety.define_flags(values)


def main(values):
    """Prints each prompt with its completions."""
    generator = TextGenerator(
        *read_model(values.model_dir, best=values.best),
        safety.policy(values),
    )
    searching = beams.settings(values)
    if searching is not None:
        return _print_hypotheses(
            generator.beam_search(values.prompt, **searching), values.num_return
        )
    settings = sampling.settings(values)
    for result in generator.generate(values.prompt, **settings):
        print(result.prompt + result.text)
        if result.finish_reason == "max_length":
            print(
                "(stopped at the model's max_length; --overflow=roll goes on)",
                file=sys.stderr,
            )


def _print_hypotheses(results, num_return):
    """Prints each prompt's best ones, with their scores if there are more."""
    for result in results:
        for one in result.hypotheses:
            score = f"{one.score:.4f}  " if num_return > 1 else ""
            print(score + result.prompt + one.text)


def run():
    """Runs the program."""
    program.run(define_flags, main)
