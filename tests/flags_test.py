"""Tests of `gpt_keras.flags`."""

import dataclasses

from absl import flags as absl_flags

from gpt_keras import flags
from gpt_keras.config import TrainConfig
from gpt_keras.recipes import RECIPES


def _parse(*arguments):
    values = absl_flags.FlagValues()
    flags.define(TrainConfig, values)
    values(["program", *arguments])
    return values


def test_every_field_is_a_flag():
    values = _parse()
    for field in dataclasses.fields(TrainConfig):
        assert field.name in values
        assert values[field.name].help


def test_a_flag_overrides_the_recipe_and_nothing_else():
    values = _parse("--steps=7", "--learning_rate=1", "--qk_norm", "--text=x")
    recipe = RECIPES["shakespeare_char"]
    config = TrainConfig.from_flags(recipe, values)
    assert config == dataclasses.replace(
        recipe, steps=7, learning_rate=1.0, qk_norm=True, text="x"
    )
    assert TrainConfig.from_flags(flag_values=_parse()) == TrainConfig()


def test_the_flagfile_gives_the_configuration_again(tmp_path):
    config = dataclasses.replace(
        RECIPES["shakespeare_char"], qk_norm=False, sample_prompt="a b"
    )
    path = tmp_path / "flagfile.txt"
    path.write_text(flags.flagfile(config))
    values = _parse(f"--flagfile={path}")
    assert TrainConfig.from_flags(flag_values=values) == config
    lines = dataclasses.replace(config, sample_prompt="a\n--steps=9")
    path.write_text(flags.flagfile(lines))
    assert _parse(f"--flagfile={path}")["steps"].value == config.steps
