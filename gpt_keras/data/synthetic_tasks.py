"""The name of a task with one right answer in, pairs for it out.

What a small model should learn within minutes: if it doesn't, template, loss,
decoding or metric don't fit together.
"""

import dataclasses
import random
import string
from collections.abc import Iterator

from gpt_keras.data.pair_records import Record

PREFIX = "synthetic:"
_LETTERS = string.ascii_lowercase
_VERSION = 1  # of what is generated


def _copy(rng: random.Random) -> dict[str, str]:
    text = "".join(rng.sample(_LETTERS, rng.randint(3, 12)))
    return {"prompt": text, "response": text}


def _reverse(rng: random.Random) -> dict[str, str]:
    text = "".join(rng.sample(_LETTERS, rng.randint(3, 12)))
    return {"prompt": text, "response": text[::-1]}


def _look_up(rng: random.Random) -> dict[str, str]:
    """Of entries such as `2kmt 7abz`, the one that begins with a digit."""
    keys = rng.sample(string.digits, rng.randint(2, 5))
    entries = {key: key + "".join(rng.sample(_LETTERS, 3)) for key in keys}
    key = rng.choice(keys)
    context = " ".join(entries.values())
    return {"context": context, "question": key, "answer": entries[key]}


def _first_sentence(rng: random.Random) -> dict[str, str]:
    def sentence():
        words = ("".join(rng.choices(_LETTERS, k=3)) for _ in range(2))
        return " ".join(words) + "."

    sentences = [sentence() for _ in range(rng.randint(1, 4))]
    return {"document": " ".join(sentences), "summary": sentences[0]}


TASKS = {
    "copy": _copy,
    "reverse": _reverse,
    "look_up": _look_up,
    "first_sentence": _first_sentence,
}


@dataclasses.dataclass(frozen=True)
class SyntheticPairs:
    """Pairs of a task, the same ones for the same seed.

    - `copy` and `reverse`: 3 to 12 different letters, for the template `pair`.
    - `look_up`: 2 to 5 entries, a digit and three letters each, and one of the
      digits, whose entry is the answer; for `answer`.
    - `first_sentence`: 1 to 4 sentences of two words, for `summarise`.

    A `PairSplit` by the prompt keeps those to train and to validate on apart.

    Args:
        name: One of the four.
        count: How many pairs.
        seed: Draws them.

    Raises:
        ValueError: There is no such task, or the count isn't positive.
    """

    name: str
    count: int = 20_000
    seed: int = 0

    def __post_init__(self):
        if self.name not in TASKS or self.count < 1:
            raise ValueError(
                f"A synthetic task must be one of {', '.join(TASKS)}, with a "
                f"positive count. Received: {self.name!r}, {self.count}."
            )

    @property
    def description(self) -> dict:
        """What gives the same pairs."""
        fields = dataclasses.asdict(self)
        return {"kind": "synthetic_pairs", "version": _VERSION, **fields}

    def records(self) -> Iterator[Record]:
        """Draws the pairs one after the other."""
        rng = random.Random(f"{self.name} {self.seed}")
        for number in range(self.count):
            where = f"{PREFIX}{self.name}, pair {number}"
            yield Record(where, TASKS[self.name](rng))
