"""The places of a text in, pictures of losses and expected tokens out."""

import math
from collections.abc import Iterator

import matplotlib
from matplotlib.colors import Normalize

from gpt_keras.inspection import canvas
from gpt_keras.inspection.places import Place
from gpt_keras.inspection.sheet import CELL
from gpt_keras.inspection.sheet import ROW
from gpt_keras.inspection.sheet import Cell
from gpt_keras.inspection.sheet import Sheet
from gpt_keras.inspection.token_labels import TokenLabels
from gpt_keras.inspection.token_labels import fitted

_COLUMNS = 8  # places on a line
_MOST_EXPECTED = 20
_NAMES = ("token", "loss", "entropy", "expected")
# Columns of a token beside its probability, and of the text in the title.
_WIDEST, _TITLE = 12, 95
# Inches
_TALLEST = 16
_TOP, _LEFT, _RIGHT, _GAP = 1.1, 0.8, 0.25, 0.22
_WIDTH = _LEFT + _COLUMNS * CELL + _RIGHT

_COLOURS = matplotlib.colormaps["YlOrRd"]
_EXPECTED, _CAME = "#c6dbef", "#a1d99b"  # blue, green


def prediction_pictures(
    places: list[Place],
    labels: TokenLabels,
    vocab_size: int,
    text: str = "",
) -> Iterator[tuple[str, bytes]]:
    """Draws a table of a text, token by token, wrapped over lines.

    Loss and entropy have one scale of colours, from 0 to ln(vocab_size), the
    loss of a uniform guess. At most 20 expected tokens are drawn.

    Args:
        places: As `look_at` gives them.
        labels: What to call tokens.
        vocab_size: The tokenizer's.
        text: All of it, for the title; cut where it is too long.

    Yields:
        The name of a file and its content: `predictions.png`, or
        `predictions_01.png` and so on where one page is not enough.
    """
    expected = min(len(places[-1].top), _MOST_EXPECTED)
    rows = _NAMES.index("expected") + expected
    scale = Normalize(0, math.log(vocab_size), clip=True)
    columns = [
        _cells(number, place, labels, scale)[:rows]
        for number, place in enumerate(places)
    ]
    lines = [
        columns[start : start + _COLUMNS]
        for start in range(0, len(columns), _COLUMNS)
    ]
    room = max(1, int((_TALLEST - _TOP) / (rows * ROW + _GAP)))
    for start in range(0, len(lines), room):
        number = f"_{start // room + 1:02d}" if len(lines) > room else ""
        page = _page(lines[start : start + room], rows, scale, text)
        yield f"predictions{number}.png", page


def _cells(number: int, place: Place, labels, scale) -> list[Cell]:
    """Returns what stands below each other at a place."""
    token, loss, entropy = Cell("(next)", str(number)), Cell(), Cell()
    if place.token_id is not None:
        label = fitted(labels(place.token_id), _WIDEST)
        token = Cell(label, str(number))
    if place.loss is not None:
        colour = _COLOURS(scale(place.loss))
        token = token._replace(colour=colour)
        loss = Cell(f"{place.loss:.2f}", f"rank {place.rank:,}", colour)
    if place.entropy is not None:
        colour = _COLOURS(scale(place.entropy))
        entropy = Cell(f"{place.entropy:.2f}", "", colour)
    return [token, loss, entropy, *_expected(place, labels)]


def _expected(place: Place, labels) -> Iterator[Cell]:
    for token_id, probability in place.top:
        yield Cell(
            fitted(labels(token_id), _WIDEST),
            f"{probability:.1%}",
            _CAME if token_id == place.token_id else _EXPECTED,
            probability,
        )


def _page(lines, rows, scale, text) -> bytes:
    height = rows * ROW + _GAP
    with canvas.plain_style():
        sheet = Sheet(_WIDTH, _TOP + len(lines) * height)
        _explain(sheet, scale, text)
        for number, line in enumerate(lines):
            _draw_line(sheet, _TOP + number * height, line, rows)
        return canvas.png(sheet.figure)


def _draw_line(sheet, y, line, rows) -> None:
    for row, name in enumerate(_NAMES):
        sheet.name(_LEFT, y + row * ROW, name)
    for column, cells in enumerate(line):
        x = _LEFT + column * CELL
        for row, cell in enumerate(cells):
            sheet.cell(x, y + row * ROW, cell)
        sheet.frame(x, y, rows)


def _explain(sheet, scale, text) -> None:
    sheet.write(_LEFT, 0.2, "Loss and expected tokens", fontsize=11)
    text = fitted(text, _TITLE)
    sheet.write(_LEFT, 0.42, text, **canvas.label_style(8))
    y = 0.65
    for colour, meaning in (
        (_EXPECTED, "probability of an expected token"),
        (_CAME, "probability of the token that came"),
    ):
        sheet.swatch(_LEFT, y, colour, meaning)
        y += ROW
    sheet.scale(
        _WIDTH - _RIGHT - 3,
        0.3,
        3,
        scale,
        _COLOURS,
        f"loss, entropy (nats); a uniform guess has {scale.vmax:.2f}",
    )
