"""A benchmark's tokenised text in, text as people write it out.

The benchmarks of word-level models come with spaces around punctuation, and
with marks of their own. A model of ordinary text reads them with the rules here
undone. They take away spaces and such marks only: every word stays, so that the
benchmark's own number of words is what a loss is divided by.

Reference:
    Radford et al. 2019, §3.1, for the idea; the rules are this project's own.
"""

import re
from collections.abc import Callable

# Pairs of a pattern and what takes its place, in order.
_WIKITEXT = [
    (r" @([-,.])@ ", r"\1"),  # M @-@ 82, 1 @,@ 000, 0 @.@ 7
    (r"(?m)^ | $", ""),  # around every line
    (r"(?<==) (?==)", ""),  # = = Heading = =
    (r" ([.,:;!?%)\]}])", r"\1"),
    (r"([(\[{]) ", r"\1"),
    (r"([$£€#]) (?=\d)", r"\1"),
    (r" ('(?:s|m|d|re|ve|ll)|n't)\b", r"\1"),
    (r"(?<=n) ('t)\b", r"\1"),  # isn 't
    (r'" ([^"\n]*?) "', r'"\1"'),  # a pair within one line
    (r"(?<=\d) (–) (?=\d)", r"\1"),  # 23 – 38 cm
    (r"(?<=\w) (/) (?=\w)", r"\1"),
    (r"(') (?=\d0s\b)", r"\1"),  # the ' 70s
]
_PTB = [
    (r"(?m)^ | $", ""),
    (r" ('(?:s|m|d|re|ve|ll)|n't)\b", r"\1"),
    (r"([$#]) (?=N\b|\d)", r"\1"),
    (r"(?<=N) %", "%"),
    (r"\\/", "/"),
]


def _rules(pairs) -> Callable[[str], str]:
    compiled = [(re.compile(pattern), new) for pattern, new in pairs]

    def clean(text: str) -> str:
        for pattern, new in compiled:
            text = pattern.sub(new, text)
        return text

    return clean


DETOKENIZERS: dict[str, Callable[[str], str]] = {
    "none": _rules([]),
    "wikitext": _rules(_WIKITEXT),
    "ptb": _rules(_PTB),
}


def detokenize(text: str, name: str) -> str:
    """Undoes what a benchmark did to its text.

    Args:
        text: As the benchmark has it.
        name: One of `DETOKENIZERS`.

    Raises:
        ValueError: There is no detokenizer of this name.
    """
    if name not in DETOKENIZERS:
        raise ValueError(
            f"`detokenizer` must be one of {sorted(DETOKENIZERS)}. Received: "
            f"detokenizer={name!r}"
        )
    return DETOKENIZERS[name](text)
