"""A small program with a flag, for the tests of all programs.

python -m tools.small_program --do=print
"""

import os
import sys
import time

os.environ["GPT_KERAS_CLIENT_ONLY"] = "1"  # starts at once

from absl import flags  # noqa: E402

from gpt_keras import progress  # noqa: E402
from gpt_keras.cli import program  # noqa: E402


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_string(
        "do", None, "What to do. Or not.", required=True, flag_values=values
    )
    flags.DEFINE_integer("number", 1, "A number.", flag_values=values)
    flags.DEFINE_enum(
        "shape", "disc", ["disc", "ring"], "Its shape.", flag_values=values
    )


def main(values):
    """Does it."""
    return _WORKS[values.do](values)


def _break_rule(values):
    raise ValueError("`number` must be odd.\nReceived: number=2")


def _fail(values):
    raise KeyError("nobody expected this")


def _print_much(values):
    for number in range(100_000):
        print(number)


def _wait(values):
    print("waiting", flush=True)
    time.sleep(60)


def _count(values):
    progress.DELAY = 0.0
    with progress.Progress("Counting", 40, "tokens", delay=0.0) as bar:
        for number in range(41):
            bar.note = f"at {number}"
            bar.show(number)
            time.sleep(0.01)


def _load(values):
    progress.DELAY = 0.05
    with progress.Working("Loading it"):
        time.sleep(0.3)
    print("done", file=sys.stderr)


def _lose_connection(values):
    raise BrokenPipeError("the server has gone")


_WORKS = {
    "return": lambda values: values.number,
    "nothing": lambda values: None,
    "break_rule": _break_rule,
    "fail": _fail,
    "print": _print_much,
    "wait": _wait,
    "count": _count,
    "load": _load,
    "lose_connection": _lose_connection,
}

if __name__ == "__main__":
    program.run(define_flags, main)
