"""Tests of `gpt_keras.cli.program`."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest
from absl import flags
from terminal_testing import on_terminal

from gpt_keras.cli import export
from gpt_keras.cli import generate
from gpt_keras.cli import program
from gpt_keras.cli import train

PATHS = os.pathsep.join(sys.path)
SMALL = (
    sys.executable,
    str(pathlib.Path(__file__).parent / "small_program.py"),
)


def _define(values):
    flags.DEFINE_integer("number", 3, "A number.", flag_values=values)


def test_parse_gives_the_flags():
    assert program.parse(_define).number == 3
    assert program.parse(_define, "--number=4").number == 4
    with pytest.raises(flags.Error, match="number"):
        program.parse(_define, "--number=four")


@pytest.mark.parametrize("module", [export, generate, train])
def test_every_program_needs_its_folder_and_says_what_it_does(module):
    with pytest.raises(flags.Error, match="model_dir"):
        program.parse(module.define_flags, "--seed=1")
    assert f"python -m tools.{module.__name__.split('.')[-1]}" in module.__doc__


def test_a_program_that_fails_alone_is_told():
    message = r"folder failed: [\s\S]*no_such_program"
    with pytest.raises(ValueError, match=message):
        program.run_alone("gpt_keras.cli.no_such_program", "folder")


def _environment():
    return os.environ | {"PYTHONPATH": PATHS}


def _run(*arguments):
    """Returns exit status, standard output and standard error."""
    result = subprocess.run(
        [*SMALL, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=_environment(),
    )
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["--do=nothing"], 0, ""),
        (["--do=return", "--number=3"], 3, ""),
        (
            ["--do=break_rule"],
            1,
            "error: `number` must be odd. Received: number=2\n",
        ),
        (["--do=lose_connection"], 1, "error: the server has gone\n"),
        (
            ["--do=nothing", "--nubmer=3"],
            2,
            "error: --nubmer is not a flag. Did you mean --number?\n",
        ),
        (
            ["--do=nothing", "--number=x"],
            2,
            "error: --number must be an integer. Received: --number=x\n",
        ),
        (
            ["--do=nothing", "--help=all"],
            2,
            "error: --help takes no value. --helpfull says all of each flag.\n",
        ),
        ([], 2, "error: --do must be given. --help has examples.\n"),
        (["--do=nothing", "more"], 2, "error: Unknown arguments: more\n"),
    ],
)
def test_exit_statuses_and_errors_of_one_line(arguments, status, error):
    assert _run(*arguments) == (status, "", error)


def test_the_trace_comes_with_verbose_alone():
    status, _, error = _run("--do=fail")
    assert status == 1
    assert error == (
        "error: KeyError: 'nobody expected this' "
        "(not expected: --verbose shows where)\n"
    )
    status, _, error = _run("--do=fail", "--verbose")
    assert status == 1
    assert "Traceback" in error and "in _fail" in error
    assert error.splitlines()[-1].startswith("error: KeyError")


def test_ctrl_c_is_130_and_sigterm_143():
    def press(process, terminal):
        os.write(terminal, b"\x03")

    def terminate(process, terminal):
        process.terminate()

    command = [*SMALL, "--do=wait"]
    # A shell, for the terminal's key to reach it and as it reports a signal.
    shell = f"{' '.join(command)}; echo status $?"
    # `env`: what runs in the background may have been told to ignore the key.
    interactive = ["setsid", "--ctty", "env", "--default-signal=INT"]
    interactive += ["bash", "-c", f"trap : INT; {shell}"]
    _, text = on_terminal(interactive, "waiting", press, PYTHONPATH=PATHS)
    assert "stopped by Ctrl-C" in text and "status 130" in text
    assert "Traceback" not in text
    status, _ = on_terminal(command, "waiting", terminate, PYTHONPATH=PATHS)
    assert status == -signal.SIGTERM  # 143 in a shell


def test_a_reader_that_stops_reading_is_no_error():
    shell = f"{' '.join(SMALL)} --do=print | head -n 2; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", shell],
        capture_output=True,
        text=True,
        timeout=60,
        env=_environment(),
    )
    assert result.stdout == "0\n1\n141\n"
    assert result.stderr == ""


def test_help_has_what_it_does_its_examples_and_its_flags():
    status, text, error = _run("--help")
    assert (status, error) == (0, "")
    assert text.startswith("A small program with a flag")
    assert "    python -m tools.small_program --do=print\n" in text
    assert "\nFlags\n  --do (required)             What to do.\n" in text
    assert "  --number=1                  A number.\n" in text
    assert "Or not" not in text and "One of" not in text
    _, full, _ = _run("--helpfull")
    assert "  --do (required)\n      What to do. Or not.\n" in full
    assert "  --shape=disc\n      Its shape. One of disc, ring.\n" in full
    assert "--verbose" in full


def test_colours_are_on_a_terminal_alone_and_never_with_no_color():
    command = [*SMALL, "--do=break_rule"]
    _, text = on_terminal(command, PYTHONPATH=PATHS)
    assert "\x1b[31merror:\x1b[0m `number`" in text
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        _, text = on_terminal(command, PYTHONPATH=PATHS, **variables)
        assert "error: `number`" in text and "\x1b" not in text
