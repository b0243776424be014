"""Tests of the generation settings."""

import numpy as np
import pytest

from gpt_keras.generation.settings import OVERFLOWS
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.settings import make_settings


def test_defaults_fill_every_row():
    settings = make_settings(3)
    assert settings.max_new_tokens.tolist() == [100] * 3
    assert settings.temperature.tolist() == [1.0] * 3
    assert settings.top_k.tolist() == [0] * 3
    assert settings.top_p.tolist() == [1.0] * 3
    assert settings.seed.tolist() == [0] * 3
    assert settings.overflow.tolist() == [OVERFLOWS.index("stop")] * 3


def test_one_value_or_one_for_each_row():
    settings = make_settings(2, top_k=5, seed=range(7, 9), temperature=[0, 1])
    assert settings.top_k.tolist() == [5, 5]
    assert settings.seed.tolist() == [7, 8]
    assert settings.temperature.tolist() == [0.0, 1.0]
    overflow = make_settings(2, overflow=["roll", "stop"]).overflow
    assert overflow.tolist() == [1, 0]


def test_arrays_match_the_signature():
    assert set(SETTINGS) == set(GenerationSettings._fields)
    for array, spec in zip(make_settings(2), SETTINGS_SPEC, strict=True):
        assert array.dtype == spec.dtype.as_numpy_dtype
        assert array.shape == (2,)


def test_no_rows():
    assert all(array.shape == (0,) for array in make_settings(0, seed=[]))


@pytest.mark.parametrize(
    "name, value, received",
    [
        ("temperature", -0.1, "temperature=-0.1"),
        ("temperature", float("inf"), "inf"),
        ("temperature", float("nan"), "nan"),
        ("temperature", "hot", "'hot'"),
        ("temperature", None, "None"),
        ("temperature", [1.0, -1.0], "[1.0, -1.0]"),
        ("top_k", -1, "top_k=-1"),
        ("top_k", 2.5, "top_k=2.5"),
        ("top_k", True, "True"),
        ("top_k", 2**31, "2147483648"),
        ("top_p", 0, "top_p=0"),
        ("top_p", 1.01, "top_p=1.01"),
        ("top_p", float("nan"), "nan"),
        ("max_new_tokens", -1, "max_new_tokens=-1"),
        ("max_new_tokens", 2**31, "2147483648"),
        ("seed", 1.5, "seed=1.5"),
        ("seed", 2**63, "9223372036854775808"),
        ("overflow", "wrap", "'wrap'"),
        ("overflow", 1, "overflow=1"),
    ],
)
def test_a_broken_rule_is_named_with_the_value(name, value, received):
    with pytest.raises(ValueError, match=f"`{name}` must be") as error:
        make_settings(2, **{name: value})
    assert received in str(error.value)


@pytest.mark.parametrize("value", [[1], [1, 2, 3], [[1, 2]], np.ones((2, 1))])
def test_the_number_of_values_must_fit(value):
    with pytest.raises(ValueError, match="each of the 2 prompts"):
        make_settings(2, temperature=value)


def test_an_unknown_setting_is_named():
    with pytest.raises(ValueError, match="'temprature'"):
        make_settings(1, temprature=1.0)


def test_extreme_seeds_stay_exact():
    settings = make_settings(2, seed=[-(2**63), 2**63 - 1])
    assert settings.seed.tolist() == [-(2**63), 2**63 - 1]
