"""Tests of `gpt_keras.evaluation.trivial_baselines`."""

import pytest

from gpt_keras.evaluation.trivial_baselines import copied
from gpt_keras.evaluation.trivial_baselines import first_sentence
from gpt_keras.evaluation.trivial_baselines import longest_name


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (" One two. Three.", "One two."),
        ("It cost 3.50 now! Yes.", "It cost 3.50 now!"),
        ('He said "no." Then left.', 'He said "no."'),
        ("A title\nA text.", "A title"),
        ("今天下雨。明天不下。", "今天下雨。"),
        ("no end", "no end"),
        ("", ""),
    ],
)
def test_first_sentence(document, expected):
    assert first_sentence(document) == expected


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("The poet Ada King Lovelace met Bob.", "Ada King Lovelace"),
        ("On 3 May 1999, in Rome, he sang.", "On 3 May 1999"),
        ("Paris. London is big", "London"),
        ("nothing here", ""),
        ("他写了《红楼梦》，住在北京。", "红楼梦"),
        ("他在 New York 工作", "New York"),
        ("", ""),
    ],
)
def test_longest_name(context, expected):
    assert longest_name(context) == expected


def test_a_copy_is_the_source():
    assert copied("Ein Hund.") == "Ein Hund."
