"""How far the making of tokens is in, its progress and a pace out."""

import time

from gpt_keras.progress import Progress


class ProgressBar:
    """Shows what `prepare` tells; a terminal has a bar for each stage.

    Attributes:
        pace: Tokens that were encoded, seconds that it took, and their
            quotient.
    """

    def __init__(self):
        self._bar = Progress("", is_silent=True)
        self._stage: str | None = None
        self._encoded = {}
        self._begin = self._end = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._close()

    def __call__(self, stage: str, counts: dict) -> None:
        """Takes a stage and its counts: `characters` of `total` and more."""
        if stage != self._stage:
            self._close()
            self._bar = Progress(stage, counts["total"], "characters")
            self._stage = stage
        if "tokens" in counts:
            self._encoded[stage] = counts["encoded_tokens"]
            self._end = time.monotonic()
            rate = self.pace["tokens_per_second"]
            self._bar.note = f"{counts['tokens']:,} tokens, {rate:,.0f} tok/s"
        else:
            self._begin = self._end = time.monotonic()
        self._bar.show(counts["characters"])

    @property
    def pace(self) -> dict:
        """What is documented above."""
        tokens, seconds = sum(self._encoded.values()), self._end - self._begin
        rate = tokens / seconds if seconds else 0.0
        return {
            "tokens": tokens,
            "seconds": seconds,
            "tokens_per_second": rate,
        }

    def _close(self) -> None:
        self._bar.close()
