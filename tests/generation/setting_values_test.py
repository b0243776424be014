"""Tests of `gpt_keras.generation.setting_values`."""

import os
import sys

import limited_process
import numpy as np
import pytest

from gpt_keras.generation.setting_values import DEFAULTS
from gpt_keras.generation.setting_values import setting_rows
from gpt_keras.generation.settings import make_settings


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"temperature": 1, "top_k": np.int32(3), "seed": 2**63 - 1},
        {"top_p": [0.5, 1], "seed": np.array([1, 2]), "stop": "a"},
        {"stop": ["a", "b"], "banned": [["c"], []], "overflow": "roll"},
    ],
)
def test_rows_are_those_of_the_model(values):
    rows = setting_rows(2, values)
    for name, column in make_settings(2, **values)._asdict().items():
        np.testing.assert_array_equal(
            np.array(rows[name], column.dtype), column
        )
        kind = type(DEFAULTS[name])
        assert all(type(value) is kind for value in rows[name])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"heat": 1}, "A setting must be one of"),
        ({"top_k": 0.5}, "`top_k` must be an integer"),
        ({"top_k": True}, "`top_k` must be an integer"),
        ({"temperature": "hot"}, "`temperature` must be a number"),
        ({"overflow": 1}, "`overflow` must be a text"),
        ({"seed": [1, 2, 3]}, "one for each of the 2 prompts.*3 values"),
        ({"stop": 1}, "`stop` must be texts"),
        ({"stop": "a\x1fb"}, "without U"),
    ],
)
def test_mistakes_are_told(values, words):
    with pytest.raises(ValueError, match=words):
        setting_rows(2, values)


def test_a_client_needs_neither_keras_nor_tensorflow():
    program = (
        "import sys, gpt_keras.cli.query, gpt_keras.cli.chat\n"
        "heavy = {'keras', 'tensorflow', 'grpc', 'gpt_keras.model'}\n"
        "print(heavy & sys.modules.keys())"
    )
    result = limited_process.run(
        [sys.executable, "-c", program],
        env=os.environ | {"GPT_KERAS_CLIENT_ONLY": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "set()\n"
