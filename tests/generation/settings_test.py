"""Tests of the generation settings."""

import re

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.settings import MAX_STRING_BYTES
from gpt_keras.generation.settings import MAX_STRINGS
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.settings import check_settings
from gpt_keras.generation.settings import make_settings


def test_defaults_fill_every_row():
    for name, values in make_settings(3)._asdict().items():
        assert values.tolist() == [SETTINGS[name].default] * 3


def test_one_value_or_one_for_each_row():
    settings = make_settings(2, top_k=5, seed=range(7, 9), temperature=[0, 1])
    assert settings.top_k.tolist() == [5, 5]
    assert settings.seed.tolist() == [7, 8]
    assert settings.temperature.tolist() == [0.0, 1.0]
    overflow = make_settings(2, overflow=["roll", "stop"]).overflow
    assert overflow.tolist() == ["roll", "stop"]


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        ("", ["", ""]),
        ("END", ["END", "END"]),
        (["a", "猫"], ["a\x1f猫", "a\x1f猫"]),
        (("a",), ["a", "a"]),
        ([], ["", ""]),
        ([["a", "b"], []], ["a\x1fb", ""]),
        ([["a"], "b"], ["a", "b"]),
    ],
)
def test_texts_for_all_rows_or_for_each(texts, joined):
    assert make_settings(2, stop=texts, banned=texts).stop.tolist() == joined


def test_arrays_match_the_signature():
    assert set(SETTINGS) == set(GenerationSettings._fields)
    for array, spec in zip(make_settings(2), SETTINGS_SPEC, strict=True):
        assert array.dtype == spec.dtype.as_numpy_dtype
        assert array.shape == (2,)


def test_no_rows():
    assert all(array.shape == (0,) for array in make_settings(0, seed=[]))


BROKEN = [
    ("temperature", -0.1, "temperature=-0.1"),
    ("temperature", float("inf"), "inf"),
    ("temperature", float("nan"), "nan"),
    ("top_k", -1, "top_k=-1"),
    ("top_p", 0.0, "top_p=0"),
    ("top_p", 1.01, "top_p=1.01"),
    ("top_p", float("nan"), "nan"),
    ("min_p", -0.01, "min_p=-0.01"),
    ("min_p", 1.5, "min_p=1.5"),
    ("min_p", float("nan"), "nan"),
    ("repetition_penalty", 0.0, "repetition_penalty=0"),
    ("repetition_penalty", float("inf"), "inf"),
    ("frequency_penalty", float("nan"), "nan"),
    ("frequency_penalty", float("inf"), "inf"),
    ("presence_penalty", -float("inf"), "-inf"),
    ("no_repeat_ngram", -2, "no_repeat_ngram=-2"),
    ("no_repeat_ngram", 101, "no_repeat_ngram=101"),
    ("max_new_tokens", -1, "max_new_tokens=-1"),
    ("seed", -2, "seed=-2"),
    ("stop", "x" * (MAX_STRING_BYTES + 1), "xxx"),
    ("stop", "猫" * (MAX_STRING_BYTES // 3 + 1), "猫猫"),
    ("banned", [str(n) for n in range(MAX_STRINGS + 1)], "'32'"),
    ("banned", "x" * 10_000_000, "xxx"),
    ("overflow", "wrap", "'wrap'"),
    ("overflow", "", "''"),
]
# Of another kind than a tensor of the setting's dtype can hold.
BROKEN_KINDS = [
    ("temperature", "hot", "'hot'"),
    ("temperature", None, "None"),
    ("top_k", 2.5, "top_k=2.5"),
    ("top_k", True, "True"),
    ("top_k", 2**31, "2147483648"),
    ("max_new_tokens", 2**31, "2147483648"),
    ("seed", 1.5, "seed=1.5"),
    ("seed", 2**63, "9223372036854775808"),
    ("overflow", 1, "overflow=1"),
]


@pytest.mark.parametrize(
    "name, value, received",
    [*BROKEN, *BROKEN_KINDS, ("temperature", [1.0, -1.0], "[1.0, -1.0]")],
)
def test_a_broken_rule_is_named_with_the_value(name, value, received):
    with pytest.raises(ValueError, match=f"`{name}` must be") as error:
        make_settings(2, **{name: value})
    assert received in str(error.value)


@pytest.mark.parametrize("value", [1, None, b"a", [["a"], [3]], ["a", 3]])
def test_texts_must_be_texts(value):
    with pytest.raises(ValueError, match="`stop` must be texts"):
        make_settings(2, stop=value)


def test_a_text_must_not_hold_the_separator():
    with pytest.raises(ValueError, match=re.escape("without U+001F")):
        make_settings(1, banned=["a" + SEPARATOR])


def in_the_graph(*rows):
    """Returns the errors of rows that are checked together in a graph."""
    columns = []
    for name, setting in SETTINGS.items():
        values = [row.get(name, setting.default) for row in rows]
        values = [SEPARATOR.join(v) if type(v) is list else v for v in values]
        columns.append(tf.constant(values, setting.dtype))
    check = tf.function(
        check_settings, input_signature=(SETTINGS_SPEC,), autograph=False
    )
    errors = check(GenerationSettings(*columns)).numpy()
    return [error.decode() for error in errors]


def test_in_the_graph_each_row_is_judged_for_itself():
    errors = in_the_graph(*({name: value} for name, value, _ in BROKEN))
    for (name, _, received), error in zip(BROKEN, errors, strict=True):
        rule = f"`{name}` must be {SETTINGS[name].rule}. Received: "
        assert error.startswith(rule)
        if name != "banned":
            shown = received.split("=")[-1].strip("'")
            assert shown in error.removeprefix(rule)
        assert len(error) < 250


def test_in_the_graph_what_is_allowed_has_no_error():
    most = [str(n) for n in range(MAX_STRINGS)]
    edges = [
        {},
        {"max_new_tokens": 0, "temperature": 0.0, "seed": -1},
        {"max_new_tokens": 2**31 - 1, "seed": 2**63 - 1, "top_k": 2**31 - 1},
        {"temperature": 3e38, "top_p": 1e-30, "min_p": 1.0},
        {"repetition_penalty": 1e-30, "frequency_penalty": -3e38},
        {"stop": most, "banned": "x" * MAX_STRING_BYTES, "overflow": "roll"},
    ]
    assert in_the_graph(*edges) == [""] * len(edges)
    assert in_the_graph() == []


def test_the_first_broken_rule_is_named():
    (error,) = in_the_graph({"top_k": -1, "temperature": -1.0})
    assert error == (
        "`temperature` must be a number that is finite and >= 0. Received: "
        "-1.000000"
    )


@pytest.mark.parametrize("value", [[1], [1, 2, 3], [[1, 2]], np.ones((2, 1))])
def test_the_number_of_values_must_fit(value):
    with pytest.raises(ValueError, match="each of the 2 prompts"):
        make_settings(2, temperature=value)


def test_an_unknown_setting_is_named():
    with pytest.raises(ValueError, match="'temprature'"):
        make_settings(1, temprature=1.0)


def test_extreme_seeds_stay_exact():
    settings = make_settings(2, seed=[-1, 2**63 - 1])
    assert settings.seed.tolist() == [-1, 2**63 - 1]
