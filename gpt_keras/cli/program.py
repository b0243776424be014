"""Flags and a main function in, a program whose errors are one line out."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

from absl import app
from absl import flags
from absl import logging

from gpt_keras.recipes import RECIPES

# What a user can put right: told in one line, without a trace.
_USER_ERRORS = (ValueError, OSError)


def run(
    define_flags: Callable[[flags.FlagValues], None],
    main: Callable[[flags.FlagValues], int | None],
) -> None:
    """Parses the command line and runs `main` with its flags.

    The program exits with what `main` returns, 0 for None, and with 1 after
    an error.

    Args:
        define_flags: Defines the program's flags.
        main: Takes them, parsed.
    """
    _define_key_flags(define_flags)
    sys.modules["__main__"].__doc__ = sys.modules[main.__module__].__doc__

    def guarded(argv):
        logging.set_verbosity(logging.WARNING)
        if len(argv) > 1:
            raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
        try:
            return main(flags.FLAGS)
        except _USER_ERRORS as error:
            if flags.FLAGS.trace:
                raise
            print(f"error: {error}", file=sys.stderr)
            return 1

    app.run(guarded)


def _define_key_flags(define_flags) -> None:
    """Defines flags so that `--help` shows them, wherever they stand."""
    known = set(flags.FLAGS)
    flags.DEFINE_boolean("trace", False, "Show the whole trace of an error.")
    define_flags(flags.FLAGS)
    for name in sorted(set(flags.FLAGS) - known):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def define_recipe(values) -> None:
    """Defines the flag of the settings that a program begins with."""
    flags.DEFINE_enum(
        "recipe",
        "quickstart",
        list(RECIPES),
        "Settings to begin with; any other flag overrides its own.",
        flag_values=values,
    )


def define_model_dir(values) -> None:
    """Defines the flags of the model that a program reads."""
    flags.DEFINE_string(
        "model_dir",
        None,
        "Folder of the model, of this project or of another that "
        "`tools.convert` reads, or kerashub:NAME.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_boolean(
        "best",
        False,
        "The weights that were the best in validation, not the last ones.",
        flag_values=values,
    )


def parse(
    define_flags: Callable[[flags.FlagValues], None], *arguments: str
) -> flags.FlagValues:
    """Returns the flags of a program for arguments that are given here.

    For those who call a program's `main` out of Python.
    """
    values = flags.FlagValues()
    define_flags(values)
    values(["program", *arguments])
    return values


def run_alone(module: str, only: str) -> dict:
    """Runs a program with `--only` in a process of its own.

    Args:
        module: The program's, which prints a line of JSON at the end.
        only: The flag's value.

    Returns:
        What that line says.

    Raises:
        ValueError: The program failed.
    """
    result = subprocess.run(
        [sys.executable, "-m", module, f"--only={only}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if result.returncode:
        raise ValueError(f"{only} failed: {result.stderr[-2000:]}")
    return json.loads(result.stdout.splitlines()[-1])
