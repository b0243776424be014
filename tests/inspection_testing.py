"""What can be seen in pictures and figures, for the tests of inspection."""

import io
import itertools

from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg


def check_picture(content, widest=4000, tallest=4000):
    """Checks that a PNG is of a sane size, not blank, and not cut off."""
    pixels = image.imread(io.BytesIO(content))[..., :3]
    height, width, _ = pixels.shape
    assert 150 < height < tallest and 200 < width < widest
    assert pixels.std() > 0.05
    for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
        assert (edge == 1).all()


def texts_of(labels):
    """Returns what text objects say."""
    return [label.get_text() for label in labels]


def overlapping(figure, texts):
    """Returns pairs of texts that stand on one another."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in texts
        if text.get_text()
    ]
    return [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if a.overlaps(b)
    ]
