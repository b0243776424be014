"""The name of a benchmark in, its protocol and published figures out."""

from typing import NamedTuple

# Of Radford et al. 2019, table 3, which calls them by their parameters.
PUBLISHED_SIZES = ("117M", "345M", "762M", "1542M")
PUBLISHED_SOURCE = "GPT-2 zero-shot, Radford et al. 2019, table 3"


class Suite(NamedTuple):
    """What a benchmark evaluates, and what GPT-2 reached.

    Attributes:
        kind: `"text"`, `"last_word"`, `"multiple_choice"` or
            `"memorisation"`.
        detokenizer: Of its text.
        counts_line_ends: Whether the end of a line is a word of its own.
        published: GPT-2's figures, one for each of `PUBLISHED_SIZES`, by the
            name of ours in the same unit.
        note: What of their protocol is known to differ, or not known.
    """

    kind: str
    detokenizer: str = "none"
    counts_line_ends: bool = False
    published: dict[str, tuple[float, ...]] = {}
    note: str = ""


_UNSTATED = (
    "The paper states neither stride nor detokenizer nor how line ends count."
)
SUITES = {
    "text": Suite("text"),
    "wikitext2": Suite(
        "text",
        "wikitext",
        True,
        {"word_perplexity": (29.41, 22.76, 19.93, 18.34)},
        f"{_UNSTATED} WikiText-103 has the same validation and test text, and "
        "other published figures: units must differ between the two.",
    ),
    "wikitext103": Suite(
        "text",
        "wikitext",
        True,
        {"word_perplexity": (37.50, 26.37, 22.05, 17.48)},
        f"{_UNSTATED} WikiText-2 has the same validation and test text, and "
        "other published figures: units must differ between the two.",
    ),
    "ptb": Suite(
        "text",
        "ptb",
        True,
        {"word_perplexity": (65.85, 47.33, 40.31, 35.76)},
        _UNSTATED,
    ),
    "enwik8": Suite(
        "text",
        published={"bits_per_byte": (1.16, 1.01, 0.97, 0.93)},
        note="The paper states neither the part of the file nor the stride.",
    ),
    "text8": Suite(
        "text",
        published={"bits_per_character": (1.17, 1.06, 1.02, 0.98)},
        note="The paper states neither the part of the file nor the stride.",
    ),
    "lambada": Suite(
        "last_word",
        published={
            "accuracy": (0.4599, 0.5548, 0.6012, 0.6324),
            "word_perplexity": (35.13, 15.60, 10.87, 8.63),
        },
        note="The published accuracy is with a stop-word filter (§3.3), which "
        "is not applied here; the paper doesn't state the perplexity's unit.",
    ),
    "hellaswag": Suite("multiple_choice"),
    "memorisation": Suite("memorisation"),
}
