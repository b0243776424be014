"""Tests of `gpt_keras.inspection.attention_pictures`."""

import numpy as np
import pytest
from inspection_testing import check_picture
from inspection_testing import overlapping
from inspection_testing import texts_of
from matplotlib import style

from gpt_keras.inspection.attention_pictures import attention_pictures


def _weights(layers, heads, length):
    scores = np.random.default_rng(0).normal(
        size=(layers, heads, length, length)
    )
    weights = np.exp(2 * scores) * np.tri(length)
    return weights / weights.sum(-1, keepdims=True)


def _draw(weights, labels, layers=None, heads=None, text=""):
    layers = layers or list(range(len(weights)))
    heads = heads or list(range(weights.shape[1]))
    return dict(attention_pictures(weights, layers, heads, labels, text))


def _panels(figure):
    return [axes for axes in figure.axes if axes.images]


def test_a_small_model_has_one_picture(figures):
    weights = _weights(2, 3, 5)
    pictures = _draw(weights, list("abcde"), [0, 7], [1, 2, 4])
    assert list(pictures) == ["attention.png"]
    panels = _panels(figures[0])
    assert [axes.get_title() for axes in panels] == [
        f"layer {layer}, head {head}" for layer in (0, 7) for head in (1, 2, 4)
    ]
    for axes, panel in zip(panels, weights.reshape(6, 5, 5), strict=True):
        (shown,) = axes.images
        np.testing.assert_array_equal(shown.get_array().filled(0), panel)
        later = ~np.tri(5, dtype=bool)
        np.testing.assert_array_equal(shown.get_array().mask, later)
        assert shown.get_clim() == (0, 1)


def test_a_large_model_has_a_page_for_each_layer(figures):
    pictures = _draw(_weights(3, 12, 4), list("abcd"), [0, 5, 11])
    assert list(pictures) == [
        f"attention_layer_{layer:02d}.png" for layer in (0, 5, 11)
    ]
    assert [len(_panels(figure)) for figure in figures] == [12] * 3


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 2, 5), (4, 8, 30)])
def test_pictures_are_of_a_sane_size_and_not_blank(sizes):
    for content in _draw(_weights(*sizes), ["t"] * sizes[-1]).values():
        check_picture(content)


def test_names_stand_at_the_left_and_below(figures):
    """Of five heads in rows of three, the third has nothing below it."""
    _draw(_weights(7, 5, 3), ["␣a", "b" * 20, "$"])
    names, none = ["␣a", "b" * 11 + "…", "$"], [""] * 3
    panels = _panels(figures[0])
    left = [texts_of(axes.get_yticklabels()) for axes in panels]
    below = [texts_of(axes.get_xticklabels()) for axes in panels]
    assert left == [names, none, none, names, none]
    assert below == [none, none, names, names, names]


def test_numbers_where_labels_have_no_room(figures):
    _draw(_weights(1, 1, 60), ["t"] * 60)
    (axes,) = _panels(figures[0])
    numbers = ["0", "10", "20", "30", "40", "50"]
    assert texts_of(axes.get_xticklabels()) == numbers
    assert texts_of(axes.get_yticklabels()) == numbers


@pytest.mark.parametrize("length", [3, 27, 100])
def test_nothing_is_written_on_something_else(figures, length):
    _draw(_weights(2, 4, length), ["␣statement"] * length, text="text")
    (figure,) = figures
    for axes in _panels(figure):
        assert not overlapping(figure, axes.get_xticklabels())
        assert not overlapping(figure, axes.get_yticklabels())
    titles = [axes.title for axes in _panels(figure)]
    assert not overlapping(figure, [*titles, *figure.texts])


@pytest.mark.parametrize("length", [1, 27])
def test_a_long_text_is_cut_in_the_title(figures, length):
    pictures = _draw(_weights(1, 1, length), ["t"] * length, text="W" * 300)
    check_picture(pictures["attention.png"])
    assert figures[0].get_suptitle().endswith("W…")


def test_dollars_are_no_formula(figures):
    _draw(_weights(1, 1, 2), ["$x", "^$"], text="$x^$")
    (axes,) = _panels(figures[0])
    assert not any(x.get_parse_math() for x in axes.get_xticklabels())


def test_the_users_style_does_not_count():
    weights = _weights(1, 2, 4)
    expected = _draw(weights, list("abcd"))
    with style.context("dark_background"):
        assert _draw(weights, list("abcd")) == expected
