"""Tests of `gpt_keras.cli.program`."""

import pytest
from absl import flags

from gpt_keras.cli import export
from gpt_keras.cli import generate
from gpt_keras.cli import program
from gpt_keras.cli import train


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
