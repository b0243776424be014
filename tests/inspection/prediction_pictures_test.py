"""Tests of `gpt_keras.inspection.prediction_pictures`."""

import numpy as np
import pytest
from inspection_testing import check_picture
from inspection_testing import overlapping
from inspection_testing import texts_of

from gpt_keras.inspection.fonts import can_draw
from gpt_keras.inspection.places import Place
from gpt_keras.inspection.prediction_pictures import prediction_pictures
from gpt_keras.inspection.token_labels import TokenLabels
from gpt_keras.text.character_tokenizer import CharacterTokenizer

TOKENIZER = CharacterTokenizer(" $ab猫")
SPACE, DOLLAR, A, B, CAT = range(5)
PLACES = [
    Place(A),
    Place(DOLLAR, 1.5, 2, 1.0, ((B, 0.625), (DOLLAR, 0.25))),
    Place(CAT, 9.0, 1000, 0.126, ((SPACE, 0.75), (A, 0.125))),
    Place(None, None, None, 0.5, ((CAT, 0.5), (B, 0.5))),
]
PLACE = Place(A, 1.0, 1, 1.0, ((A, 0.5), (B, 0.25)))


def _draw(places, tokenizer=TOKENIZER, vocab_size=7, text="text"):
    labels = TokenLabels(tokenizer, can_draw)
    return dict(prediction_pictures(places, labels, vocab_size, text))


def test_every_figure_is_written(figures):
    assert list(_draw(PLACES)) == ["predictions.png"]
    cat = "猫" if can_draw("猫") else r"\xe7\x8c\xab"
    expected = f"""
        a 0
        $ 1 1.50 rank_2 1.00 b 62.5% $ 25.0%
        {cat} 2 9.00 rank_1,000 0.13 ␣ 75.0% a 12.5%
        (next) 3 0.50 {cat} 50.0% b 50.0%
    """
    expected = [text.replace("_", " ") for text in expected.split()]
    texts = texts_of(figures[0].axes[0].texts)
    assert texts[-len(expected) :] == expected
    assert {"text", "loss", "entropy", "expected"} < set(texts)


def test_bars_are_as_long_as_probabilities(figures):
    _draw(PLACES)
    bars = {}
    for patch in figures[0].axes[0].patches:
        width = patch.get_width() / 1.25  # inches of a cell
        if patch.get_height() == pytest.approx(0.2) and width < 1:
            bars.setdefault(patch.get_facecolor(), []).append(width)
    expected, came = sorted(bars.values(), key=len, reverse=True)
    assert expected == pytest.approx([0.625, 0.75, 0.125, 0.5, 0.5])
    assert came == pytest.approx([0.25])


def test_a_greater_loss_is_darker_up_to_a_uniform_guess(figures):
    losses = [0.0, 0.5, 1.0, np.log(7), 50.0]
    _draw([Place(A, x, 1, 1.0, ((A, 1.0),)) for x in losses])
    cells = [
        patch
        for patch in figures[0].axes[0].patches
        if patch.get_y() == pytest.approx(1.1)  # inches: the first row
        and patch.get_height() == pytest.approx(0.2)
    ]
    light = [sum(cell.get_facecolor()[:3]) for cell in cells]
    assert light[0] > light[1] > light[2] > light[3] == light[4]


@pytest.mark.parametrize(("count", "top"), [(2, 1), (60, 5), (20, 30)])
def test_pages_are_of_a_sane_size_and_not_blank(figures, count, top):
    place = PLACE._replace(top=((A, 1 / top),) * top)
    for content in _draw([place] * count).values():
        check_picture(content, widest=1500, tallest=2000)
    drawn = [t for x in figures for t in texts_of(x.axes[0].texts)]
    assert drawn.count("rank 1") == count
    assert drawn.count(f"{1 / top:.1%}") == count * min(top, 20)


def test_several_pages_are_numbered(figures):
    pictures = _draw([PLACE] * 180)
    assert list(pictures) == [f"predictions_{n:02d}.png" for n in (1, 2)]
    drawn = [t for x in figures for t in texts_of(x.axes[0].texts)]
    numbers = [int(text) for text in drawn if text.isdecimal()]
    assert numbers == list(range(180))


def test_nothing_is_written_on_something_else(figures):
    """With the widest tokens and the longest figures there can be."""

    class Wide:
        special_tokens = {"W" * 40: A, "é" * 40: B}
        token_bytes = None

    place = Place(A, 123.45, 50257, 10.0, ((A, 1.0), (B, 0.999)))
    _draw([place] * 18, Wide(), 50257, "W" * 300)
    (axes,) = figures[0].axes
    (scale,) = axes.child_axes
    texts = [*axes.texts, scale.xaxis.label, *scale.get_xticklabels()]
    assert not overlapping(figures[0], texts)


def test_dollars_are_no_formula(figures):
    _draw(PLACES)
    assert not any(x.get_parse_math() for x in figures[0].axes[0].texts)
