"""The figure of a metric, with all that says what it is of."""

import dataclasses
from collections.abc import Sequence

Texts = Sequence[str]
References = Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Score:
    """What a metric comes to.

    Attributes:
        value: From 0 to 100.
        signature: What decides over the value, in the form of sacreBLEU's:
            `name:value` joined by `|`.
        interval: Where 95% of the values of resampled rows lie, lowest and
            highest; None where it was not asked for.
        parts: Figures that go with it, from 0 to 100, by name.
    """

    value: float
    signature: str
    interval: tuple[float, float] | None = None
    parts: dict[str, float] = dataclasses.field(default_factory=dict)


def check_predictions(predictions: Texts) -> None:
    """Checks texts of which a metric is to be.

    Raises:
        ValueError: There are none, or one is no `str`.
    """
    if isinstance(predictions, str) or not all(
        isinstance(text, str) for text in predictions
    ):
        raise ValueError(
            "`predictions` must be a list of strings. Received: "
            f"{predictions!r:.80}"
        )
    if not predictions:
        raise ValueError("There must be one prediction or more. Received: none")


def check_rows(predictions: Texts, references: References) -> None:
    """Checks texts, and what they are to be compared with.

    Args:
        predictions: Texts, one or more.
        references: As many lists of one text or more.

    Raises:
        ValueError: They break a rule.
    """
    check_predictions(predictions)
    if isinstance(references, str) or len(predictions) != len(references):
        raise ValueError(
            "There must be as many predictions as rows of references. "
            f"Received: {len(predictions)} and {len(references)}"
        )
    for row, texts in enumerate(references):
        is_list = isinstance(texts, list | tuple)
        if not is_list or not all(isinstance(text, str) for text in texts):
            raise ValueError(
                "Each row of `references` must be a list of strings. Received: "
                f"{texts!r:.80}, row {row}"
            )
        if not texts:
            raise ValueError(
                "Each row must have one reference or more. Received: none, "
                f"row {row}"
            )
