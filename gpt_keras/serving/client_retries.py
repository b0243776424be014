"""A request and a deadline come in, its answer or the last error goes out."""

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gpt_keras.serving.client_errors import CallError
from gpt_keras.serving.client_errors import DeadlineError
from gpt_keras.serving.client_errors import OverloadedError
from gpt_keras.serving.client_errors import UnavailableError

_Answer = TypeVar("_Answer")


class Deadline:
    """A moment, so many seconds from now."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def is_within(self, seconds: float) -> bool:
        """Returns whether it comes sooner than in so many seconds."""
        return self._end - time.monotonic() <= seconds

    def left(self) -> float:
        """Returns the seconds that are left.

        Raises:
            DeadlineError: There are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise DeadlineError(
                "DEADLINE_EXCEEDED",
                f"the call had {self._seconds:g} seconds, which are over",
            )
        return left


@dataclass(frozen=True)
class Retries:
    """How often a request is sent again, and after how long a wait.

    A server that is overloaded, unavailable or not there is asked again: an
    answer changes nothing at the server, so a request that got lost may be
    repeated. The waits double; each is shortened by chance, to a half at most,
    so that many clients don't come back at once. What the server says of the
    wait (`Retry-After`, `grpc-retry-pushback-ms`) is the least. A wait that
    would reach beyond the deadline is not begun.

    Attributes:
        times: How often again; 0 for never.
        first_wait: Seconds.
        longest_wait: Seconds.

    Raises:
        ValueError: One of them is negative.
    """

    times: int = 5
    first_wait: float = 0.1
    longest_wait: float = 5.0

    def __post_init__(self):
        for name in ("times", "first_wait", "longest_wait"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"`{name}` of the retries must not be negative. Received: "
                    f"{name}={getattr(self, name)}"
                )

    def call(
        self, send: Callable[[Deadline], _Answer], deadline: Deadline
    ) -> _Answer:
        """Sends a request until it is answered.

        Args:
            send: Takes the deadline.
            deadline: Of all of it.

        Raises:
            CallError: The last one.
        """
        for count in itertools.count():
            try:
                return send(deadline)
            except (OverloadedError, UnavailableError) as error:
                pause = self._pause(count, error)
                if count >= self.times or deadline.is_within(pause):
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable: the loop has no end")

    def _pause(self, count: int, error: CallError) -> float:
        # No power above 2**30: it would not fit a float.
        wait = min(self.first_wait * 2 ** min(count, 30), self.longest_wait)
        return max(wait * random.uniform(0.5, 1), error.retry_after or 0.0)
