"""Tests of `gpt_keras.cli.sampling`."""

from gpt_keras.cli import program
from gpt_keras.cli import sampling
from gpt_keras.generation.setting_values import TEXTS
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import make_settings


def test_every_setting_is_a_flag():
    values = program.parse(sampling.define_flags)
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    defaults |= {name: [] for name in TEXTS}
    assert sampling.settings(values) == defaults
    assert all(values[name].help for name in SETTINGS)


def test_flags_become_settings():
    flags = ["--top_p=0.5", "--overflow=roll", "--seed=-1"]
    flags += ["--stop=a,b", "--stop=\n", "--banned=猫"]
    settings = sampling.settings(program.parse(sampling.define_flags, *flags))
    assert settings["top_p"] == 0.5 and settings["seed"] == -1
    assert settings["overflow"] == "roll"
    assert settings["stop"] == ["a,b", "\n"] and settings["banned"] == ["猫"]
    make_settings(1, **settings)
