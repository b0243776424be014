"""Tests of `gpt_keras.training.curves`."""

import json

import numpy as np
import pytest
from matplotlib import image
from matplotlib import pyplot

from gpt_keras.training.curves import draw_curves

LINES = [
    {"step": 1, "loss": 3.0},
    {"step": 2, "loss": 2.0, "val_loss": 2.5},
]


@pytest.fixture
def figure(monkeypatch):
    """Keeps the figure that is drawn."""
    kept = []
    monkeypatch.setattr(pyplot, "close", kept.append)
    yield kept
    monkeypatch.undo()
    pyplot.close("all")


def test_draws_what_was_logged(tmp_path):
    empty = image.imread(draw_curves(tmp_path))
    path = _draw(tmp_path, LINES, unigram_entropy=3.1)
    assert path == tmp_path / "curves.png"
    picture = image.imread(path)
    assert picture.shape == empty.shape and (picture != empty).any()


def test_a_panel_for_each_quantity_that_the_log_has(tmp_path, figure):
    more = [
        {"step": 3, "loss": 2.0, "gradient_norm": 0.5, "learning_rate": 1e-3},
        {"step": 4, "loss": 1.0, "gradient_norm": None, "learning_rate": 2e-3},
    ]
    _draw(tmp_path, LINES + more)
    top, norm, rate = figure[0].axes
    drawn = [_data(line) for line in top.lines]
    assert drawn == [[(1, 3), (2, 2), (3, 2), (4, 1)], [(2, 2.5)]]
    assert _data(norm.lines[0]) == [(3, 0.5)]
    assert _data(rate.lines[0]) == [(3, 1e-3), (4, 2e-3)]
    assert [x.get_xlabel() for x in figure[0].axes] == ["", "", "step"]


def test_scores_have_a_panel_of_their_own(tmp_path, figure):
    more = [
        {"step": 3, "bleu": 10.0, "rougeL": 5.0, "bleu/translate:en-de": 1.0},
        {"step": 6, "bleu": 20.0, "learning_rate": 1e-3},
    ]
    _draw(tmp_path, LINES + more)
    _, rate, scores = figure[0].axes
    assert rate.get_ylabel() == "learning\nrate"
    drawn = {line.get_label(): _data(line) for line in scores.lines}
    assert drawn == {"bleu": [(3, 10), (6, 20)], "rougeL": [(3, 5)]}
    assert scores.get_xlabel() == "step" and not rate.get_xlabel()


def test_marks_the_steps_that_were_left_out(tmp_path, figure):
    more = [
        {"step": 5, "skipped_loss": None, "skipped_gradient_norm": None},
        {"step": 9, "skipped_loss": 80.0, "skipped_gradient_norm": 7.0},
    ]
    _draw(tmp_path, LINES + more)
    (top,) = figure[0].axes
    marks = top.lines[-1]
    assert list(marks.get_xdata()) == [5, 9]
    assert marks.get_label() == "left out"
    # They are no losses: the scale is that of the losses.
    assert 1 < top.get_ylim()[0] and top.get_ylim()[1] < 4


def test_bits_per_byte_is_another_scale_of_the_same_curve(tmp_path, figure):
    more = [{"step": 4, "val_loss": 2.0, "val_bits_per_byte": 1.0}]
    _draw(tmp_path, LINES + more)
    (top,) = figure[0].axes
    (right,) = top.child_axes
    assert "bits per byte" in right.get_ylabel()
    np.testing.assert_allclose(right.get_ylim(), np.array(top.get_ylim()) / 2)


def _draw(folder, lines, **kwargs):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text)
    return draw_curves(folder, **kwargs)


def _data(line):
    return list(zip(*line.get_data(), strict=True))
