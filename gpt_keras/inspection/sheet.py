"""Cells of a table in, a sheet with them, drawn to the inch, out."""

from typing import NamedTuple

from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from gpt_keras.inspection import canvas

CELL, ROW = 1.25, 0.2  # inches
_PAD = 0.05
_QUIET = "0.35"  # grey


class Cell(NamedTuple):
    """A cell with something at its left and something at its right.

    Attributes:
        left: A text in the fonts of labels.
        right: A smaller one.
        colour: Of the background; None for white.
        share: How much of the width has the colour, from the left.
    """

    left: str = ""
    right: str = ""
    colour: object = None
    share: float = 1.0


class Sheet:
    """A white sheet; places on it are inches from its upper left corner."""

    def __init__(self, width: float, height: float):
        self.figure = canvas.new_figure(width, height)
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width))
        self.axes.set_ylim(height, 0)
        self.axes.axis("off")

    def cell(self, x: float, y: float, cell: Cell) -> None:
        """Draws a cell at its upper left corner."""
        style = {"color": "black"}
        if cell.colour is not None:
            self.box(x, y, CELL * cell.share, ROW, facecolor=cell.colour)
            if cell.share == 1 and _is_dark(cell.colour):
                style = {"color": "white"}
        middle = y + ROW / 2
        self.write(x + _PAD, middle, cell.left, **canvas.label_style(), **style)
        self.write(
            x + CELL - _PAD, middle, cell.right, ha="right", fontsize=6, **style
        )

    def frame(self, x: float, y: float, rows: int) -> None:
        """Draws a line around so many cells, one below the other."""
        self.box(x, y, CELL, rows * ROW, facecolor="none", edgecolor="0.75")

    def name(self, x: float, y: float, text: str) -> None:
        """Writes what a row holds, at the left of `x`."""
        x, y = x - 2 * _PAD, y + ROW / 2
        self.write(x, y, text, ha="right", fontsize=7, color=_QUIET)

    def swatch(self, x: float, y: float, colour, meaning: str) -> None:
        """Draws a bit of colour and what it means."""
        self.box(x, y, ROW, ROW * 0.7, facecolor=colour)
        self.write(x + ROW + _PAD, y + ROW * 0.35, meaning, fontsize=7)

    def scale(self, x, y, width, norm, colours, meaning: str) -> None:
        """Draws a scale of colours and what it means."""
        bar = self.figure.colorbar(
            ScalarMappable(norm, colours),
            cax=self.axes.inset_axes(
                (x, y, width, 0.12), transform=self.axes.transData
            ),
            orientation="horizontal",
            extend="max",
        )
        bar.ax.tick_params(labelsize=7, length=2)
        bar.set_label(meaning, fontsize=7)

    def box(self, x, y, width, height, edgecolor="none", **style) -> None:
        """Draws a rectangle."""
        patch = Rectangle(
            (x, y), width, height, edgecolor=edgecolor, linewidth=0.6, **style
        )
        self.axes.add_patch(patch)

    def write(self, x: float, y: float, text: str, **style) -> None:
        """Writes a line, its middle at `y`."""
        if text:
            self.axes.text(x, y, text, va="center_baseline", **style)


def _is_dark(colour) -> bool:
    """Returns whether white can be read better on a colour than black."""
    red, green, blue = to_rgb(colour)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    return luma < 0.42
