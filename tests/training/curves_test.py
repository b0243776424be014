"""Tests of `gpt_keras.training.curves`."""

import json

from matplotlib import image

from gpt_keras.training.curves import draw_curves


def test_draws_what_was_logged(tmp_path):
    empty = image.imread(draw_curves(tmp_path))
    lines = [
        {"step": 1, "loss": 3.0},
        {"step": 2, "loss": 2.0, "val_loss": 2.5},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text)
    path = draw_curves(tmp_path, unigram_entropy=3.1)
    assert path == tmp_path / "curves.png"
    picture = image.imread(path)
    assert picture.shape == empty.shape and (picture != empty).any()
