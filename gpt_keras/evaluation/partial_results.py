"""Results by index in, a file that a killed evaluation goes on from out."""

import json
import os
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from gpt_keras.evaluation.task import PassageScore


class PartialResults:
    """A file with one line for each batch that was scored.

    Its first line says what is evaluated, and how; nothing else is ever added
    to it. A line that a kill cut short is taken off.

    Args:
        path: The file; missing folders are made.
        identity: What must be the same for scores to be mixed, strings by
            name.

        to_score: Makes a result of its values as JSON gives them; raises
            ValueError or TypeError where they are none. By itself those of a
            `PassageScore`.

    Attributes:
        scores: The results by the passage's index.

    Raises:
        ValueError: The file is of another evaluation, or damaged.
        OSError: It can't be read or written.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        identity: dict[str, str],
        to_score: Callable[[Sequence], Any] | None = None,
    ):
        self._path = os.fspath(path)
        self._to_score = to_score or _checked
        self.scores: dict[int, Any] = {}
        os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
        lines = self._whole_lines()
        if not lines:
            self._write(identity)
            return
        self._check(lines[0], identity)
        for number, line in enumerate(lines[1:], 2):
            self._read(line, number)

    def append(self, scores: dict[int, Any]) -> None:
        """Adds the results of one batch, by the passages' indices."""
        self._write([[index, *score] for index, score in scores.items()])
        self.scores.update(scores)

    def _whole_lines(self) -> list[bytes]:
        if not os.path.exists(self._path):
            return []
        with open(self._path, "r+b") as file:
            content = file.read()
            size = content.rfind(b"\n") + 1
            file.truncate(size)
        return content[:size].splitlines()

    def _write(self, content) -> None:
        try:
            with open(self._path, "ab") as file:
                file.write(json.dumps(content).encode() + b"\n")
        except OSError as error:
            error.filename = self._path  # a full disk has none
            raise

    def _check(self, line: bytes, identity: dict[str, str]) -> None:
        stored = self._parse(line, 1)
        if not isinstance(stored, dict):
            raise self._damaged(1)
        names = sorted(stored.keys() | identity.keys())
        differences = [
            f"{name}: {stored.get(name)} there, {identity.get(name)} now"
            for name in names
            if stored.get(name) != identity.get(name)
        ]
        if differences:
            raise ValueError(
                f"{self._path!r} holds the beginning of another evaluation. "
                "Go on with that one, or remove the file. Received: "
                f"{'; '.join(differences)}"
            )

    def _read(self, line: bytes, number: int) -> None:
        rows = self._parse(line, number)
        try:
            for index, *score in rows:
                self.scores[index] = self._to_score(score)
        except (TypeError, ValueError):
            raise self._damaged(number) from None

    def _parse(self, line: bytes, number: int):
        try:
            return json.loads(line)
        except ValueError:
            raise self._damaged(number) from None

    def _damaged(self, number: int) -> ValueError:
        return ValueError(
            f"{self._path!r} must be as an evaluation writes it: remove it to "
            f"begin anew. Line {number} is damaged"
        )


def _checked(score: Sequence) -> PassageScore:
    logprob, num_likeliest, ends_in_likeliest = score
    return PassageScore(
        float(logprob), int(num_likeliest), bool(ends_in_likeliest)
    )
