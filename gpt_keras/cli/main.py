"""`gpt-keras COMMAND …` in, the program of that name run.

It imports a program, and TensorFlow, only when one is asked for.
"""

import ast
import importlib
import importlib.util
import pathlib
import sys
import textwrap

from gpt_keras.cli import program
from gpt_keras.cli import quiet_start
from gpt_keras.terminal import styled
from gpt_keras.version import __version__

GROUPS = {
    "Train": ("prepare", "plan", "train"),
    "Look and measure": ("generate", "evaluate", "inspect"),
    "Serve": ("export", "serve", "query", "chat"),
    "Convert": ("convert", "resize"),
    "Safety": ("detect_watermark",),
    "Benchmarks of the project": (
        "measure_conversion",
        "measure_export",
        "measure_hosts",
        "measure_kills",
        "measure_loading",
        "measure_parity",
        "measure_plan",
        "measure_serving",
        "measure_store",
        "measure_tasks",
        "measure_watermark",
    ),
}
_MODULES = {"inspect": "inspection"}  # others are called as their command
# What by REST does without TensorFlow, and then starts at once.
_CLIENTS = ("chat", "query")
_NAME_WIDTH = 20


def main() -> None:
    """Runs the command of the command line, and exits."""
    arguments = sys.argv[1:]
    match arguments:
        case [] | ["help"]:
            print(_overview(sys.stderr), file=sys.stderr)
            sys.exit(program.USAGE)
        case ["--help" | "-h" | "--helpfull" | "--helpshort", *_]:
            work = lambda: print(_overview(sys.stdout))  # noqa: E731
            sys.exit(program.guarded(work, is_verbose=False))
        case ["--version" | "version", *_]:
            print(f"gpt-keras {__version__}")
            sys.exit(0)
        case ["help", name, *_]:
            arguments = [name, "--help"]
    name, *rest = arguments
    if name not in commands():
        _refuse(name)
    sys.argv[1:] = rest
    is_verbose = "--verbose" in rest

    def load():
        if needs_tensorflow(name, rest) and not is_verbose:
            quiet_start.import_tensorflow()
        importlib.import_module(_module(name))

    if status := program.guarded(load, is_verbose):
        sys.exit(status)
    sys.modules[_module(name)].run()


def commands() -> list[str]:
    """Returns the names of all commands."""
    return [name for names in GROUPS.values() for name in names]


def needs_tensorflow(name: str, arguments: list[str]) -> bool:
    """Returns whether a command for these arguments is more than a client."""
    return name not in _CLIENTS or any(
        one.startswith("--model_dir")
        or (one.startswith("--server=") and "://" not in one)
        for one in arguments
    )


def _module(name: str) -> str:
    return f"gpt_keras.cli.{_MODULES.get(name, name)}"


def summary(name: str) -> str:
    """Returns the first line of a program's docstring, without its import."""
    spec = importlib.util.find_spec(_module(name))
    assert spec is not None and spec.origin is not None
    source = pathlib.Path(spec.origin).read_text(encoding="utf-8")
    doc = ast.get_docstring(ast.parse(source)) or ""
    return doc.split("\n")[0]


def _overview(stream) -> str:
    lines = ["A GPT for Keras: train it, look inside, serve text in, text out."]
    lines += ["", "    gpt-keras COMMAND --flag=value …", ""]
    for title, names in GROUPS.items():
        lines.append(styled(title, "bold", stream))
        for name in names:
            lines += textwrap.wrap(
                f"{name:<{_NAME_WIDTH}}{summary(name)}",
                80,
                initial_indent="  ",
                subsequent_indent=" " * (_NAME_WIDTH + 2),
            )
        lines.append("")
    lines.append("`gpt-keras COMMAND --help` has its flags and examples;")
    lines.append("`gpt-keras --version` says which one this is.")
    return "\n".join(lines)


def _refuse(name: str) -> None:
    near = program.nearest(name, commands())
    hint = (
        f"Did you mean {' or '.join(near)}?"
        if near
        else "`gpt-keras --help` lists them."
    )
    print(f"error: {name!r} is not a command. {hint}", file=sys.stderr)
    sys.exit(program.USAGE)
