"""Tests of the pictures: they are drawn from a run, and are small."""

import json
import types

import matplotlib.image
import numpy as np
import pytest

from tools import docs_pictures
from tools.docs_blocks import ROOT

MOST_BYTES = 150_000


class _Generator:
    """Writes the same text after any prompt."""

    def __init__(self, text):
        self.text = text

    def generate(self, prompt, **settings):
        assert settings["seed"] >= 0  # drawn ones would differ every time
        return types.SimpleNamespace(text=self.text)


@pytest.fixture(name="draw")
def _draw(tmp_path):
    def draw(text, losses):
        lines = [
            {"step": step, name: loss}
            for step, loss in enumerate(losses, 1)
            for name in ("loss", "val_loss")
        ]
        content = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / "metrics.jsonl").write_text(content)
        path = tmp_path / "picture.png"
        docs_pictures.draw_first_screen(tmp_path, _Generator(text), path)
        assert path.stat().st_size < MOST_BYTES
        return matplotlib.image.imread(path)

    return draw


def test_losses_and_text_are_in_the_picture(draw):
    first = draw("one text\n\n" + "word " * 80, [3.0, 2.0])
    half = first.shape[1] // 2
    other_text = draw("another", [3.0, 2.0])
    other_losses = draw("one text\n\n" + "word " * 80, [3.0, 2.5])
    np.testing.assert_array_equal(
        first, draw("one text\n\n" + "word " * 80, [3.0, 2.0])
    )
    assert (first[:, half:] != other_text[:, half:]).any()
    assert (first[:, :half] != other_losses[:, :half]).any()


def test_the_pictures_of_the_docs_are_small():
    sizes = {path.name: path.stat().st_size for path in ROOT.glob("docs/*.png")}
    assert {"first_screen.png", "five_steps.png"} <= sizes.keys()
    assert max(sizes.values()) < MOST_BYTES, sizes
