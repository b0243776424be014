"""Tests of `gpt_keras.evaluation.verse_scores`."""

import pytest

from gpt_keras.evaluation.text_metrics import score_texts
from gpt_keras.evaluation.verse_scores import line_length
from gpt_keras.evaluation.verse_scores import regular_verse

FIVE = "牀前看月光，疑是地上霜。\n舉頭望山月，低頭思故鄉。"
SEVEN = "故人西辭黃鶴樓，煙花三月下揚州。"


@pytest.mark.parametrize(
    ("text", "length"),
    [
        (FIVE, 5),
        (SEVEN, 7),
        ("關關雎鳩，在河之洲。", 4),
        (f"{FIVE}{SEVEN}", 0),
        (FIVE[:-2], 0),  # the last line was cut
        ("牀前看月光，", 0),
        ("牀前看月a，疑是地上霜。", 0),
        ("牀前看□光，疑是地上霜。", 0),
        ("", 0),
    ],
)
def test_all_lines_of_a_poem_are_equally_long(text, length):
    assert line_length(text) == length


def test_the_share_is_of_five_and_seven():
    texts = [FIVE, SEVEN, "關關雎鳩，在河之洲。", ""]
    score = regular_verse(texts, num_samples=50)
    assert score.value == 50 and score.parts == {"of 5": 25, "of 7": 25}
    low, high = score.interval
    assert 0 <= low < 50 < high <= 100
    found = score_texts(["regular_verse"], texts, [[""]] * 4)
    assert found["regular_verse"].value == 50
    with pytest.raises(ValueError, match="[Tt]here"):
        regular_verse([])
