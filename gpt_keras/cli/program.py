"""Flags and a main function in, a program with its exit status out.

0: done; 1: it failed; 2: the command line can't be read; 130 and 143: stopped
by Ctrl-C or SIGTERM; 141: what reads the output has closed it.
"""

import difflib
import faulthandler
import io
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable

from absl import flags
from absl import logging

from gpt_keras.cli import help_text
from gpt_keras.recipes import RECIPES
from gpt_keras.terminal import styled

COMMAND = "gpt-keras"
FAILURE, USAGE = 1, 2
# What a user can put right: told without saying that it was not expected.
_USER_ERRORS = (ValueError, OSError)
_HELP = ("-h", "-help", "--help", "--helpshort", "-?")
_HELP_FULL = ("-helpfull", "--helpfull")


def run(
    define_flags: Callable[[flags.FlagValues], None],
    main: Callable[[flags.FlagValues], int | None],
) -> None:
    """Parses the command line, runs `main` with its flags, and exits.

    An error is one line, the trace comes with `--verbose`.

    Args:
        define_flags: Defines the program's flags.
        main: Takes them, parsed, and returns the exit status, None for 0.
    """
    values = flags.FLAGS
    known = set(values)
    flags.DEFINE_boolean(
        "verbose",
        False,
        "Show the trace of an error, and what TensorFlow says as it starts.",
    )
    define_flags(values)
    arguments = sys.argv[1:]
    if {*arguments} & {*_HELP, *_HELP_FULL}:
        is_full = bool({*arguments} & {*_HELP_FULL})
        names = set(values) - known - ({"verbose"} if not is_full else set())
        sys.exit(
            guarded(lambda: _print_help(main, values, names, is_full), False)
        )
    _parse_or_exit(values)
    logging.use_absl_handler()
    logging.set_verbosity(logging.WARNING)
    if _has_file(sys.stderr):
        faulthandler.enable()
    sys.exit(guarded(lambda: main(values), values.verbose))


def guarded(work: Callable[[], int | None], is_verbose: bool) -> int:
    """Does a program's work and returns its exit status.

    Args:
        work: Returns the status; None for 0.
        is_verbose: Print the trace of an error.
    """
    try:
        status = work()
        sys.stdout.flush()
        return status or 0
    except KeyboardInterrupt:
        if is_verbose:
            traceback.print_exc()
        _say("stopped by Ctrl-C")
        return 128 + signal.SIGINT
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _close_output():
            return 128 + signal.SIGPIPE
        if is_verbose:
            traceback.print_exc()
        _say(_error_line(error))
        return FAILURE


def _print_help(main, values, names, is_full: bool) -> None:
    text = help_text.help_text(
        help_text.main_doc(main),
        help_text.topics(values, names),
        help_text.recipe_in(values, sys.argv[1:]),
        is_full,
        lambda title: styled(title, "bold", sys.stdout),
    )
    print(help_text.command_names(text) if is_command() else text)


def is_command() -> bool:
    """Returns whether it runs as `gpt-keras train`, not by path."""
    return pathlib.PurePath(sys.argv[0]).stem == COMMAND


def _parse_or_exit(values: flags.FlagValues) -> None:
    try:
        rest = values(sys.argv)[1:]
        problem = f"Unknown arguments: {' '.join(rest)}" if rest else None
    except flags.Error as error:
        problem = _usage_line(error, values)
    if problem:
        _say(f"error: {problem}")
        sys.exit(USAGE)


def _usage_line(error: flags.Error, values: flags.FlagValues) -> str:
    """Says what is wrong with a command line, and what to do."""
    if isinstance(error, flags.UnrecognizedFlagError):
        if error.flagname in {"help", "helpfull"}:
            return (
                f"--{error.flagname} takes no value. --helpfull says all of "
                "each flag."
            )
        near = nearest(error.flagname, values)
        hint = (
            f"Did you mean {' or '.join(f'--{name}' for name in near)}?"
            if near
            else "--help lists the flags."
        )
        return f"--{error.flagname} is not a flag. {hint}"
    text = _one_line(str(error))
    missing = re.findall(r"Flag --(\w+) must have a value", text)
    if missing:
        names = ", ".join(f"--{name}" for name in missing)
        return f"{names} must be given. --help has examples."
    number = re.match(r"flag --(\w+)=(.*?): (invalid literal|could not)", text)
    if number:
        name, given = number[1], number[2]
        kind = {"int": "an integer"}.get(values[name].flag_type(), "a number")
        return f"--{name} must be {kind}. Received: --{name}={given}"
    return text


def nearest(name: str, known) -> list[str]:
    """Returns of known names those that are most like one."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)


def _error_line(error: Exception) -> str:
    text = _one_line(str(error))
    if isinstance(error, _USER_ERRORS) and text:
        return f"error: {text}"
    lines = str(error).splitlines() or ["no message"]
    return (
        f"error: {type(error).__name__}: {lines[0]} "
        "(not expected: --verbose shows where)"
    )


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def _say(line: str) -> None:
    """Prints a line to standard error, `error:` in red on a terminal."""
    first, *rest = line.partition("error:")[1:]
    if first:
        line = styled(first, "red", sys.stderr) + "".join(rest)
    try:
        print(line, file=sys.stderr, flush=True)
    except BrokenPipeError:
        pass


def _close_output() -> bool:
    """Returns whether nobody reads standard output, and writes no more."""
    if not _has_file(sys.stdout):
        return False
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, select.POLLOUT)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    # Or Python would tell of it once more at its end.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output)
    os.close(nowhere)
    return True


def _has_file(stream) -> bool:
    try:
        stream.fileno()
    except (AttributeError, io.UnsupportedOperation, ValueError):
        return False
    return True


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
