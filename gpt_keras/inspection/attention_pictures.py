"""Attention weights in, pictures of them by layer and head out."""

import math
from collections.abc import Iterator

import matplotlib
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.ticker import PercentFormatter

from gpt_keras.inspection import canvas
from gpt_keras.inspection.token_labels import fitted
from gpt_keras.inspection.token_labels import width_of

_ONE_PICTURE = 32  # panels that are legible together
_MOST_COLUMNS = 8
# Inches
_LINE = 0.115  # of a tick label
_SMALLEST, _LARGEST = 1.5, 3.2  # of a panel
_SCALE_HEIGHT = 3
_COLUMN = 0.08  # of the title
_WIDEST = 12  # columns of a tick label
# Where there is no room for labels: so many numbers at most, and their steps.
_NUMBERS = 10
_STEPS = [first * 10**power for power in range(9) for first in (1, 2, 5)]
# Colour grows with the root of the weight: among many tokens, most are small.
_SCALE = PowerNorm(gamma=0.5, vmin=0, vmax=1)
_TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1)
_COLOURS = matplotlib.colormaps["Blues"]
_LATER = "0.9"  # grey


def attention_pictures(
    weights,
    layers: list[int],
    heads: list[int],
    labels: list[str],
    text: str = "",
) -> Iterator[tuple[str, bytes]]:
    """Draws every layer and head, together or layer by layer.

    Args:
        weights: `(layers, heads, length, length)`, a row for each token that
            looks.
        layers: The numbers of the layers, for their names.
        heads: The numbers of the heads.
        labels: Of the tokens. Where there are too many to be read, their
            places stand instead.
        text: What they are of, for the title; cut where it is too long.

    Yields:
        The name of a file and its content: `attention.png`, or
        `attention_layer_00.png` and so on.
    """
    panels = [
        [
            (f"layer {layer}, head {head}", weights[i, j])
            for j, head in enumerate(heads)
        ]
        for i, layer in enumerate(layers)
    ]
    count = len(layers) * len(heads)
    if count <= _ONE_PICTURE and len(heads) <= _MOST_COLUMNS:
        together = [panel for row in panels for panel in row]
        yield "attention.png", _picture(together, len(heads), labels, text)
        return
    columns = math.ceil(math.sqrt(len(heads)))
    for layer, row in zip(layers, panels, strict=True):
        name = f"attention_layer_{layer:02d}.png"
        yield name, _picture(row, columns, labels, text)


def _picture(panels, columns, labels, text) -> bytes:
    """Draws panels, row by row, with one scale of colours for all."""
    rows = math.ceil(len(panels) / columns)
    side = min(max(_LINE * len(labels), _SMALLEST), _LARGEST)
    places, names = _ticks(labels, side)
    room = 0.06 * max(map(width_of, names))  # inches, for the ticks
    with canvas.plain_style():
        figure = canvas.new_figure(
            1.5 + room + (side + 0.1) * columns,
            1.1 + room + (side + 0.35) * rows,
            layout="constrained",
        )
        grid = figure.subplots(rows, columns, squeeze=False).flat
        for axes in grid[len(panels) :]:
            axes.remove()
        shown = grid[: len(panels)]
        images = [_draw(*pair) for pair in zip(shown, panels, strict=True)]
        _name_tokens(shown, columns, places, names)
        _explain(figure, text)
        _add_scale(figure, images[0], shown)
        return canvas.png(figure)


def _ticks(labels, side) -> tuple[range, list[str]]:
    """Returns the places with a tick and what they are called.

    Those are all tokens, or some of their numbers where there is no room.
    """
    if len(labels) * _LINE <= side:
        return range(len(labels)), [fitted(label, _WIDEST) for label in labels]
    step = next(step for step in _STEPS if step * _NUMBERS >= len(labels))
    places = range(0, len(labels), step)
    return places, list(map(str, places))


def _draw(axes, panel):
    """Draws the weights of one head; grey is what comes later."""
    title, weights = panel
    seen = np.tril(np.ones(weights.shape, bool))
    axes.set_facecolor(_LATER)
    axes.set_title(title, fontsize=8, pad=3)
    return axes.imshow(
        np.ma.masked_array(weights, ~seen), cmap=_COLOURS, norm=_SCALE
    )


def _name_tokens(shown, columns, places, names):
    """Names the ticks of the panels at the left and of the lowest ones."""
    style = canvas.label_style()
    for number, axes in enumerate(shown):
        is_left = number % columns == 0
        is_lowest = number + columns >= len(shown)
        axes.tick_params(length=2, width=0.6)
        axes.set_yticks(places, names if is_left else [], **style)
        axes.set_xticks(
            places, names if is_lowest else [], rotation=90, **style
        )


def _explain(figure, text):
    """Adds titles and what the axes are."""
    width = figure.get_size_inches()[0]
    text = fitted(text, int(width / _COLUMN))
    figure.suptitle(
        f"How each token divides its attention\n{text}",
        **canvas.label_style(9),
    )
    figure.supylabel("token that looks", fontsize=8)
    figure.supxlabel("token looked at (grey: comes later)", fontsize=8)


def _add_scale(figure, image, shown):
    """Adds the scale of colours, of the same size in all pictures."""
    height = figure.get_size_inches()[1]
    bar = figure.colorbar(
        image,
        ax=list(shown),
        ticks=_TICKS,
        format=PercentFormatter(1, decimals=0),
        shrink=min(1, _SCALE_HEIGHT / (height - 1.5)),
        aspect=25,
        pad=0.02,
    )
    bar.ax.tick_params(labelsize=7, length=2)
    bar.set_label("share of attention (a row sums to 100%)", fontsize=8)
