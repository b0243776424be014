"""The places of a text in, a table to read and a value for JSON out."""

import math

from gpt_keras.inspection.places import Place
from gpt_keras.inspection.places import mean_loss
from gpt_keras.inspection.token_labels import TokenLabels
from gpt_keras.inspection.token_labels import fitted
from gpt_keras.inspection.token_labels import width_of

_HEADER = ("place", "token", "loss", "rank", "entropy", "likeliest")
_LEFT = {"token", "likeliest"}  # the others are numbers
_WIDEST = 24  # columns for a token


def as_text(places: list[Place], labels: TokenLabels) -> str:
    """Returns a table with a line for each place, and the mean below it."""
    rows: list[tuple[str, ...]] = [_HEADER]
    rows += [_row(*numbered, labels) for numbered in enumerate(places)]
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([*lines, "", _summary(places)]) + "\n"


def as_json(places: list[Place], labels: TokenLabels) -> dict:
    """Returns what JSON can hold, numbers in full.

    A token that is cut in the table has its whole label here.
    """
    return {
        "unit": "nats",
        "mean_loss": mean_loss(places),
        "places": [
            {
                "place": number,
                "token_id": place.token_id,
                "token": _label(place, labels),
                "loss": place.loss,
                "rank": place.rank,
                "entropy": place.entropy,
                "top": [
                    {
                        "token_id": token_id,
                        "token": labels(token_id),
                        "probability": probability,
                    }
                    for token_id, probability in place.top
                ],
            }
            for number, place in enumerate(places)
        ],
    }


def _row(number: int, place: Place, labels: TokenLabels) -> tuple[str, ...]:
    likeliest = [
        f"{fitted(labels(token_id), _WIDEST)} {probability:.1%}"
        for token_id, probability in place.top
    ]
    return (
        str(number),
        fitted(_label(place, labels) or "", _WIDEST),
        _number(place.loss, ".3f"),
        _number(place.rank, ","),
        _number(place.entropy, ".3f"),
        "  ".join(likeliest),
    )


def _label(place: Place, labels: TokenLabels) -> str | None:
    return None if place.token_id is None else labels(place.token_id)


def _number(value, form: str) -> str:
    return "" if value is None else format(value, form)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = []
    for name, cell, width in zip(_HEADER, row, widths, strict=True):
        space = " " * (width - width_of(cell))
        cells.append(cell + space if name in _LEFT else space + cell)
    return "  ".join(cells).rstrip()


def _summary(places: list[Place]) -> str:
    mean = mean_loss(places)
    if mean is None:
        return "One token alone has no loss."
    count = len(places) - 2  # all tokens but the first
    return (
        f"Losses: {count:,}, mean {mean:.3f} nats per token, perplexity "
        f"{math.exp(mean):.2f}"
    )
