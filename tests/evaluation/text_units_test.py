"""Tests of `gpt_keras.evaluation.text_units`."""

import pytest

from gpt_keras.evaluation.text_units import is_chinese
from gpt_keras.evaluation.text_units import mixed_units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱北京", ["我", "爱", "北", "京"]),
        (
            "1998年生于New York。",
            ["1998", "年", "生", "于", "New", "York", "。"],
        ),
        ("a-b  c", ["a", "-", "b", "c"]),
        ("𠀀㐀", ["𠀀", "㐀"]),
        (" \n", []),
    ],
)
def test_characters_are_units_and_words_stay_whole(text, expected):
    assert mixed_units(text) == expected


def test_chinese_is_zh_and_its_kinds():
    assert is_chinese("zh") and is_chinese("zh-Hant")
    assert not is_chinese("en") and not is_chinese("zhx")
