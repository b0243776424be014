"""Tests of `gpt_keras.cli.help_text`."""

import dataclasses

import pytest
from absl import flags

from gpt_keras import flags as config_flags
from gpt_keras.cli import help_text
from gpt_keras.cli import program
from gpt_keras.cli import sampling
from gpt_keras.config import TrainConfig
from gpt_keras.recipes import RECIPES
from gpt_keras.serving.server_config import ServerConfig


def _define(values):
    flags.DEFINE_string("mine", None, "My own.", flag_values=values)
    program.define_recipe(values)
    config_flags.define(TrainConfig, values)


@pytest.fixture(scope="module")
def values():
    return program.parse(_define)


def test_every_setting_has_the_topic_of_its_comment(values):
    found = help_text.topics(values, {*values})
    names = {topic.title: [x.name for x in topic.flags] for topic in found}
    own, *topics = names
    assert own == "Flags" and set(names[own]) >= {"mine", "recipe"}
    assert topics == [
        "Data",
        "Model",
        "Optimisation",
        "Memory and speed",
        "Running",
    ]
    for title, name in (
        ("Data", "text"),
        ("Model", "d_model"),
        ("Model", "lora_alpha"),
        ("Optimisation", "steps"),
        ("Memory and speed", "microbatches"),
        ("Running", "log_every"),
    ):
        assert name in names[title]
    fields = [x.name for x in dataclasses.fields(TrainConfig)]
    assert sum((names[title] for title in topics), []) == fields


def test_shared_flags_and_the_server_have_topics_too():
    def define(values):
        sampling.define_flags(values)
        config_flags.define(ServerConfig, values)

    values = program.parse(define)
    found = help_text.topics(values, {*values})
    titles = [topic.title for topic in found]
    assert "repeat this option" not in help_text.help_text("It.", found)
    assert titles[:3] == ["Sampling", "What is served", "Where"]


@pytest.mark.parametrize(
    ("arguments", "recipe"),
    [
        ([], "quickstart"),
        (["--recipe=gpt2_small", "--help"], "gpt2_small"),
        (["-recipe", "gpt2_small"], "gpt2_small"),
        (["--recipe=none_such"], "quickstart"),
    ],
)
def test_the_defaults_are_those_of_the_recipe(values, arguments, recipe):
    assert help_text.recipe_in(values, arguments) == recipe
    found = help_text.topics(values, {"steps", "recipe", "keep_best"})
    text = help_text.help_text("It.", found, recipe)
    assert f"  --steps={RECIPES[recipe].steps} " in text
    assert "  --keep_best (--nokeep_best)" in text


def test_no_line_is_too_wide_and_nothing_is_left_out(values):
    found = help_text.topics(values, {*values})
    for is_full in (False, True):
        text = help_text.help_text("It.", found, "quickstart", is_full)
        assert max(map(len, text.splitlines())) <= 80
        for name in values:
            assert f"  --{name}" in text
    words = " ".join(text.split())
    for field in dataclasses.fields(TrainConfig):
        assert field.metadata["help"] in words
    assert " ".join(RECIPES).replace(" ", ", ") in words


def test_programs_are_named_as_they_were_called():
    text = "python -m tools.train --x, as `tools.prepare` and my_tools.x do"
    assert help_text.command_names(text) == (
        "gpt-keras train --x, as `gpt-keras prepare` and my_tools.x do"
    )
