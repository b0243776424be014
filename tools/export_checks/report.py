"""What the checks find comes in, lines to print go out."""

from collections.abc import Iterable
from typing import NamedTuple


class Report(NamedTuple):
    """What was found.

    Attributes:
        lines: All of it.
        faults: Those lines that speak against a version.
    """

    lines: list[str]
    faults: list[str]

    def say(self, subject: str, faults: Iterable, summary: str = "ok"):
        """Adds a line for each fault, or one with the summary."""
        found = [f"FAULT {subject}: {fault}" for fault in faults]
        self.lines.extend(found or [f"{subject}: {summary}"])
        self.faults.extend(found)
