"""Tests of `gpt_keras.cli.main`: the command `gpt-keras`."""

import importlib
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

from gpt_keras.cli import main
from gpt_keras.version import __version__

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The script that pip makes of the entry point."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    module, name = project["project"]["scripts"]["gpt-keras"].split(":")
    path = tmp_path_factory.mktemp("bin") / "gpt-keras"
    path.write_text(
        f"import sys\nsys.path[:] = {sys.path!r}\n"
        f"from {module} import {name}\nif __name__ == '__main__':\n"
        f"    try:\n        sys.exit({name}())\n    finally:\n"
        "        heavy = {'tensorflow', 'keras'} & {*sys.modules}\n"
        "        print('heavy:', *sorted(heavy), file=sys.stderr)\n"
    )

    def run(*arguments):
        result = subprocess.run(
            [sys.executable, path, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=path.parent,
        )
        return result.returncode, result.stdout, result.stderr

    return run


def test_every_program_is_a_command():
    modules = {
        path.stem
        for path in ROOT.glob("gpt_keras/cli/*.py")
        if re.search(r"^def run\(\):", path.read_text("utf-8"), re.MULTILINE)
    }
    tools = {path.stem for path in ROOT.glob("tools/*.py")}
    names = main.commands()
    assert len(names) == len({*names})
    assert {main._module(name).split(".")[-1] for name in names} == modules
    assert {*names} - {"inspect"} <= tools


def test_help_lists_all_commands_with_a_line_each(command):
    status, text, error = command("--help")
    assert (status, error) == (0, "heavy:\n")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(text.split())
    for name in main.commands():
        module = importlib.import_module(main._module(name))
        assert f" {name} {module.__doc__.splitlines()[0]}" in text
    for title in main.GROUPS:
        assert title in lines


def test_the_version_comes_without_tensorflow(command):
    expected = (0, f"gpt-keras {__version__}\n", "heavy:\n")
    assert command("--version") == expected


@pytest.mark.parametrize("name", ["query", "chat"])
def test_a_client_starts_without_tensorflow(command, name):
    status, text, error = command(name, "--help")
    assert (status, error) == (0, "heavy:\n")
    assert f"    gpt-keras {name} --" in text
    for title in ("Flags", "Server", "Sampling"):
        assert f"\n{title}\n  --" in text
    status, text, error = command(name, "--server=http://localhost:1")
    assert (status, text) == (1, "")
    assert error.splitlines()[-1] == "heavy:"
    assert error.startswith("error: `model_name` must name")


def test_a_program_is_quiet_and_knows_its_recipe(command):
    arguments = ("train", "--recipe=gpt2_small", "--help")
    status, text, error = command(*arguments)
    assert (status, error) == (0, "heavy: keras tensorflow\n")
    assert "    gpt-keras train --recipe=quickstart" in text
    assert "python -m" not in text
    titles = re.findall(r"^(\w.*)\n  --", text, re.MULTILINE)
    assert titles == [
        "Flags",
        "Data",
        "Model",
        "Optimisation",
        "Memory and speed",
        "Running",
    ]
    assert re.search(r"^  --num_layers=12 +Decoder blocks\.$", text, re.M)


def test_what_is_no_command_gets_the_nearest_ones(command):
    assert command("tarin") == (
        2,
        "",
        "error: 'tarin' is not a command. Did you mean train?\nheavy:\n",
    )
    status, text, error = command()
    assert (status, text) == (2, "")
    assert "gpt-keras COMMAND" in error


@pytest.mark.parametrize(
    ("name", "arguments", "is_needed"),
    [
        ("train", [], True),
        ("query", [], False),
        ("query", ["--server=http://localhost:1"], False),
        ("query", ["--server=localhost:1"], True),  # gRPC
        ("chat", ["--model_dir=runs/mine"], True),
    ],
)
def test_what_needs_tensorflow(name, arguments, is_needed):
    assert main.needs_tensorflow(name, arguments) == is_needed
