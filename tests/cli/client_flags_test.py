"""Tests of `gpt_keras.cli.client_flags`."""

import functools

import pytest

from gpt_keras.cli import client_flags
from gpt_keras.cli import program

DEFINE = functools.partial(
    client_flags.define_flags, default_server="http://localhost:8501"
)


def test_flags_make_a_client_that_asks_nothing_yet():
    values = program.parse(DEFINE, "--model_name=m", "--label=stable")
    with client_flags.make_client(values) as client:
        assert client is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "`model_name` must name"),
        (["--model_name=m", "--version=1", "--label=a"], "version"),
        (["--model_name=m", "--timeout=0"], "timeout"),
        (["--model_name=m", "--retries=-1"], "times|retries"),
    ],
)
def test_flags_that_break_a_rule_are_named(arguments, message):
    values = program.parse(DEFINE, *arguments)
    with pytest.raises(ValueError, match=message):
        client_flags.make_client(values)
