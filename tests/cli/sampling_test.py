"""Tests of `gpt_keras.cli.sampling`."""

from gpt_keras.cli import program
from gpt_keras.cli import sampling
from gpt_keras.generation.settings import SETTINGS


def test_every_setting_is_a_flag():
    values = program.parse(sampling.define_flags)
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    assert sampling.settings(values) == defaults
    assert all(values[name].help for name in SETTINGS)


def test_flags_become_settings():
    values = program.parse(
        sampling.define_flags, "--top_p=0.5", "--overflow=roll", "--seed=-7"
    )
    settings = sampling.settings(values)
    assert settings["top_p"] == 0.5 and settings["seed"] == -7
    assert settings["overflow"] == "roll"
