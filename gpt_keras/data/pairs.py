"""Records and templates in, examples split into training and validation out."""

import dataclasses
import hashlib
import re
from collections.abc import Callable
from collections.abc import Iterator

import numpy as np

from gpt_keras.data.pair_columns import Example
from gpt_keras.data.pair_columns import make_example
from gpt_keras.data.pair_records import RecordSource
from gpt_keras.data.pair_texts import PairText
from gpt_keras.text.template import Template

RESPONSE_SIDE = "response"
PROMPT_SIDE = "prompt"


@dataclasses.dataclass(frozen=True)
class PairSource:
    """Pairs of prompt and response.

    Args:
        records: Where they come from.
        templates: One or more; each record gives an example of each, as both
            directions of a translation.
        max_tokens: The most tokens of prompt and response.
        validation: Where those to validate on come from; None keeps some of
            `records`.
        response_pattern: Regular expression that the whole response of the
            first template must match, else the record is left out; empty
            leaves none out.

    Raises:
        ValueError: There is no template, one comes twice, or the pattern is no
            regular expression; and as `make_example`, when records are read.
    """

    records: RecordSource
    templates: tuple[Template, ...]
    max_tokens: int
    validation: RecordSource | None = None
    response_pattern: str = ""

    def __post_init__(self):
        try:
            re.compile(self.response_pattern)
        except re.error as error:
            raise ValueError(
                "`response_pattern` must be a regular expression. Received: "
                f"response_pattern={self.response_pattern!r}: {error}"
            ) from None
        names = [template.name for template in self.templates]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                "Pairs must have one template or more, each once. Received: "
                f"{', '.join(names) or 'none'}."
            )

    @property
    def description(self) -> dict:
        """The files or the dataset."""
        found = self.records.description
        if self.validation is not None:
            found = found | {"validation": self.validation.description}
        return found

    @property
    def settings(self) -> dict:
        """What the ids of a pair depend on beside its texts."""
        found: dict = {
            "templates": [template.name for template in self.templates],
            "max_tokens": self.max_tokens,
        }
        if self.response_pattern:
            found["response_pattern"] = self.response_pattern
        return found

    @property
    def special_tokens(self) -> list[str]:
        """The names that a tokenizer must have."""
        names = [x for t in self.templates for x in t.special_tokens]
        return list(dict.fromkeys(names))

    def examples(self, records) -> Iterator[list[Example]]:
        """Gives the examples of each of `records`, one a template."""
        pattern = re.compile(self.response_pattern)
        for record in records.records():
            found = [make_example(record, t) for t in self.templates]
            if not pattern.pattern or pattern.fullmatch(found[0].response):
                yield found


@dataclasses.dataclass(frozen=True)
class PairSplit:
    """How many pairs are kept for validation, and which.

    Pairs that are alike on one side are never on both sides of the split.

    Args:
        fraction: The share of the pairs, 0 (none) up to but without 1, if
            `count` is 0. At least one pair is kept, and one is left.
        count: The most pairs, or 0. There are fewer only where one that is
            alike would be one too many.
        by: The side: `"prompt"`, `"response"`, or a field of the template,
            such as `"context"`. Where no prompt has text, it is the response.
        seed: Of the hash that draws them.
    """

    fraction: float = 0.1
    count: int = 0
    by: str = PROMPT_SIDE
    seed: int = 0

    def __post_init__(self):
        if not 0 <= self.fraction < 1 or self.count < 0:
            raise ValueError(
                "`fraction` must be 0 or lie between 0 and 1, and `count` "
                f"must not be negative. Received: fraction={self.fraction}, "
                f"count={self.count}."
            )

    def key(self, example: Example) -> bytes:
        """What pairs that are alike have in common, evenly spread."""
        has_prompt = any(example.fields.values())
        if self.by == RESPONSE_SIDE or not has_prompt:
            side = example.response
        elif self.by == PROMPT_SIDE:
            side = "\xff".join(map(str, example.fields.values()))
        elif self.by in example.fields:
            side = str(example.fields[self.by])
        else:
            raise ValueError(
                "Pairs must be held out by prompt, response or a field, "
                f"{', '.join(example.fields)}. Received: {self.by!r}."
            )
        return hashlib.sha256(f"{self.seed} {side}".encode()).digest()[:8]


@dataclasses.dataclass(frozen=True)
class SplitPairs:
    """The pairs of one split, read anew at every iteration.

    Attributes:
        examples: Gives a new iterator over them.
        max_tokens: Of `PairSource`.
        num_pairs: How many there are.
        num_characters: Of all texts, prompts and responses.
    """

    examples: Callable[[], Iterator[Example]]
    max_tokens: int
    num_pairs: int
    num_characters: int

    def pieces(self) -> Iterator[tuple[PairText, bool]]:
        """The pairs as documents of a store, each whole."""
        for example in self.examples():
            try:
                prompt = example.template.fill(example.fields)
            except ValueError as error:
                raise ValueError(f"{example.where}: {error}") from error
            yield (
                PairText(
                    example.template, prompt, example.response, self.max_tokens
                ),
                True,
            )

    def __iter__(self) -> Iterator[str]:
        """The texts, for a vocabulary."""
        return (text for pair, _ in self.pieces() for text in pair.texts)


def split_pairs(
    source: PairSource,
    split: PairSplit,
    progress: Callable[[int], None] | None = None,
) -> dict[str, SplitPairs]:
    """Splits pairs without holding them in memory.

    The source is read once, and once more for each iteration over a split.

    Args:
        source: Of the pairs.
        split: Which are kept; of no account where the source has others to
            validate on.
        progress: Called with the characters of each pair that was read.

    Returns:
        `{"train": …, "validation": …}`, without validation for a fraction of
        0.

    Raises:
        ValueError: There are no pairs, or too few for both, or a record is not
            as `make_example` wants it.
    """
    keys, sizes = _measured(source, source.records, split, progress)
    if source.validation is not None:
        _, others = _measured(source, source.validation, split, progress)
        return {
            "train": _part(source, source.records, sizes, None),
            "validation": _part(source, source.validation, others, None),
        }
    if not split.count and not split.fraction:
        return {"train": _part(source, source.records, sizes, None)}
    chosen = _chosen(keys, split)
    if chosen.all() or not chosen.any():
        raise ValueError(
            "There must be pairs for training and for validation. Received: "
            f"{len(keys)} pairs, {chosen.sum()} of them for validation: "
            f"count={split.count}, fraction={split.fraction}, by={split.by!r}."
        )
    return {
        "train": _part(source, source.records, sizes, ~chosen),
        "validation": _part(source, source.records, sizes, chosen),
    }


def _measured(source, records, split: PairSplit, progress):
    """Returns the key and the characters of each record, `(records,)`."""
    keys, sizes = [], []
    for examples in source.examples(records):
        keys.append(split.key(examples[0]))
        sizes.append(sum(map(_size, examples)))
        if progress:
            progress(sizes[-1])
    if not keys:
        raise ValueError(
            f"There must be pairs. Received none: {records.description}."
        )
    return np.frombuffer(b"".join(keys), ">u8"), np.array(sizes, np.int64)


def _size(example: Example) -> int:
    parts = [*example.template.fill(example.fields), example.response]
    return sum(len(part) for part in parts if isinstance(part, str))


def _chosen(keys: np.ndarray, split: PairSplit) -> np.ndarray:
    """Says which records are for validation, `(records,)` boolean."""
    values, groups, counts = np.unique(
        keys, return_inverse=True, return_counts=True
    )
    if not split.count:
        taken = values < split.fraction * 2.0**64
        if len(values) > 1:  # one at least on either side
            taken[0], taken[-1] = True, False
        return taken[groups]
    taken, left = np.zeros(len(values), bool), split.count
    for group, count in enumerate(counts.tolist()):  # from the lowest hash on
        if count <= left:
            taken[group] = True
            left -= count
        if not left:
            break
    return taken[groups]


def _part(source: PairSource, records, sizes, wanted) -> SplitPairs:
    """The records that are wanted; None wants all."""
    if wanted is None:
        wanted = np.ones(len(sizes), bool)

    def examples():
        for take, found in zip(wanted, source.examples(records), strict=True):
            if take:
                yield from found

    return SplitPairs(
        examples,
        source.max_tokens,
        int(wanted.sum()) * len(source.templates),
        int(sizes[wanted].sum()),
    )
