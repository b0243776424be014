"""What an evaluation is made of: passages, a protocol, figures of scores."""

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from gpt_keras.evaluation.passages import Passage


class PassageScore(NamedTuple):
    """What a passage's scored tokens come to.

    Attributes:
        logprob: The sum of the natural logarithms of their probabilities.
        num_likeliest: How many are the likeliest token at their place.
        ends_in_likeliest: Whether the last one is.
    """

    logprob: float
    num_likeliest: int
    ends_in_likeliest: bool


@dataclasses.dataclass(frozen=True)
class Task:
    """What is scored, how, and what the scores mean.

    Attributes:
        settings: What decides over the figures, by name.
        protocol: The same in sentences, with what is not to be set.
        counts: What was counted, by name.
        passages: What the model scores.
        figures: Takes the passages' scores, in their order, and gives figures
            by name; None stands for one that there isn't.
    """

    settings: dict
    protocol: list[str]
    counts: dict[str, int]
    passages: list[Passage]
    figures: Callable[[Sequence[PassageScore]], dict[str, float | None]]


def check_window(max_length: int, longest: int) -> None:
    """Checks how many tokens shall be read at a time.

    Raises:
        ValueError: `max_length` is not in [1, longest].
    """
    if not 1 <= max_length <= longest:
        raise ValueError(
            f"`max_length` must be from 1 to the model's {longest}. Received: "
            f"max_length={max_length}"
        )
