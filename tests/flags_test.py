"""Tests of `gpt_keras.flags`."""

import dataclasses
import typing

import pytest
from absl import app
from absl import flags as absl_flags
from absl.testing import flagsaver

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


@pytest.fixture(name="host")
def _host():
    """The flags of a program of somebody else's, and how to run it."""
    with flagsaver.flagsaver():
        absl_flags.DEFINE_integer("steps", 5, "Steps of the host.")
        yield absl_flags.FLAGS
    absl_flags.FLAGS.unparse_flags()


def _run(main, *arguments):
    with pytest.raises(SystemExit) as stop:
        app.run(main, argv=["host.py", *arguments])
    return stop.value.code


def test_works_within_another_programs_run(host):
    flags.define(TrainConfig, prefix="gpt_")
    found = []

    def main(argv):
        recipe = RECIPES["quickstart"]
        found.append(TrainConfig.from_flags(recipe, prefix="gpt_"))
        found.append((argv[1:], host.steps))
        with flagsaver.flagsaver(gpt_steps=11, gpt_qk_norm=False):
            found.append(TrainConfig.from_flags(recipe, prefix="gpt_"))
        found.append(TrainConfig.from_flags(prefix="gpt_"))

    assert not _run(main, "--gpt_steps=7", "--steps=3", "rest")
    quickstart = RECIPES["quickstart"]
    assert found == [
        dataclasses.replace(quickstart, steps=7),
        (["rest"], 3),
        dataclasses.replace(quickstart, steps=11, qk_norm=False),
        TrainConfig(steps=7),
    ]


def test_two_lines_do_without_a_prefix():
    with flagsaver.flagsaver():
        flags.define(TrainConfig)
        found = []
        _run(lambda _: found.append(TrainConfig.from_flags()), "--steps=7")
        assert found == [TrainConfig(steps=7)]
    absl_flags.FLAGS.unparse_flags()


def test_a_clash_defines_nothing_and_says_the_rule(host):
    before = set(host)
    with pytest.raises(absl_flags.DuplicateFlagError) as error:
        flags.define(TrainConfig)
    assert "prefix" in str(error.value) and "--steps" in str(error.value)
    assert set(host) == before
    flags.define(TrainConfig, prefix="gpt_")
    with pytest.raises(absl_flags.DuplicateFlagError, match="'gpt_gpt_'"):
        flags.define(TrainConfig, prefix="gpt_")


def test_several_prefixes_stand_side_by_side(tmp_path):
    values = absl_flags.FlagValues()
    configs = {
        "big_": RECIPES["gpt2_small"],
        "small_": dataclasses.replace(RECIPES["quickstart"], qk_norm=False),
    }
    for prefix, config in configs.items():
        flags.define(TrainConfig, values, prefix)
        path = tmp_path / f"{prefix}.txt"
        path.write_text(flags.flagfile(config, prefix))
    values(["x", *[f"--flagfile={tmp_path}/{name}.txt" for name in configs]])
    for prefix, config in configs.items():
        assert TrainConfig.from_flags(None, values, prefix) == config
    assert "--small_text" in values["small_tfds"].help


def test_what_can_not_be_collected_is_told(host):
    with pytest.raises(absl_flags.Error, match="defined before"):
        TrainConfig.from_flags(prefix="gpt_")
    with pytest.raises(absl_flags.Error, match=r"define\(TrainConfig\)"):
        TrainConfig.from_flags()  # the host's --steps is not ours
    flags.define(TrainConfig, prefix="gpt_")
    with pytest.raises(absl_flags.UnparsedFlagAccessError, match="app.run"):
        TrainConfig.from_flags(prefix="gpt_")
    host(["host.py", "--gpt_steps=0"])
    with pytest.raises(ValueError, match="begin with --gpt_: `steps` must be"):
        TrainConfig.from_flags(prefix="gpt_")
    for prefix in ("gpt-", "1", "_", "gpt ", "é"):
        with pytest.raises(ValueError, match="`prefix` must be letters"):
            flags.define(TrainConfig, prefix=prefix)


def test_help_shows_the_flags_as_those_of_the_module_that_defines_them(host):
    flags.define(TrainConfig, prefix="gpt_")
    names = {flag.name for flag in host.get_key_flags_for_module(__name__)}
    assert {"steps", "gpt_steps"} <= names


def test_a_dataclass_of_somebody_elses():
    @dataclasses.dataclass(frozen=True)
    class Own:
        size: "int" = 3
        ratio: typing.Optional[float] = None  # noqa: UP045

    @dataclasses.dataclass
    class Wrong:
        sizes: list = dataclasses.field(default_factory=list)

    values = absl_flags.FlagValues()
    flags.define(Own, values)
    values(["program", "--ratio=0.5"])
    assert flags.collect(Own(), values) == Own(ratio=0.5)
    with pytest.raises(ValueError, match="Received: sizes: .*list"):
        flags.define(Wrong, values)
