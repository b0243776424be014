"""A process' memory comes in now and then, how it grew goes out."""

import threading
import time
from collections.abc import Callable

SETTLED = 10.0  # seconds after which a server's memory should be flat
_PERIOD = 0.25  # seconds
_MIB = 2**20


class MemorySamples:
    """Samples a process' memory while it is entered.

    Args:
        measure: Returns its bytes, or None where they can't be known.
    """

    def __init__(self, measure: Callable[[], int | None]):
        self._measure = measure
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._samples = []

    def __enter__(self) -> "MemorySamples":
        self._thread.start()
        return self

    def __exit__(self, *unused) -> None:
        self._done.set()
        self._thread.join()

    def figures(self) -> dict[str, float | None]:
        """Returns MiB when `SETTLED` had passed, the most after it, and last.

        They are None if it took no longer.
        """
        after = [size for when, size in self._samples if when >= SETTLED]
        if not after:
            return {"settled": None, "most_after": None, "end": None}
        return {
            "settled": after[0] / _MIB,
            "most_after": max(after) / _MIB,
            "end": after[-1] / _MIB,
        }

    def _sample(self):
        start = time.monotonic()
        while not self._done.wait(_PERIOD):
            if (size := self._measure()) is not None:
                self._samples.append((time.monotonic() - start, size))
