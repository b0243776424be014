"""A size in, a figure to draw on out, and of that a PNG.

Without pyplot: it would need a screen, or a setting for the whole process.
"""

import io

from matplotlib import style
from matplotlib.figure import Figure

from gpt_keras.inspection.fonts import label_families

_DPI = 120
_STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.edgecolor": "0.6",
    "axes.linewidth": 0.6,
    "text.color": "black",
    "text.parse_math": False,  # a token may be a `$`
    "text.usetex": False,
    "font.size": 9,
}


def plain_style():
    """Returns a context to draw in: figures are the same for every user."""
    return style.context(["default", _STYLE])


def new_figure(width: float, height: float, **options) -> Figure:
    """Returns an empty figure of so many inches."""
    return Figure(figsize=(width, height), **options)


def label_style(size: float = 7) -> dict:
    """Returns how token labels are set: in fonts that have their characters."""
    return {"fontfamily": label_families(), "fontsize": size}


def png(figure: Figure) -> bytes:
    """Returns a figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()
