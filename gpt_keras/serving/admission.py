"""Requests come in; those that are too many go out with an error."""

import threading
import time
from collections.abc import Callable

from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError


class Admission:
    """Counts requests and lets only so many in.

    Args:
        max_in_flight: The most requests at once; 0 for any number.
        max_per_second: The most in a second, over time; 0 for any number.
        clock: Seconds.
    """

    def __init__(
        self,
        max_in_flight: int,
        max_per_second: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._max_in_flight = max_in_flight
        self._rate = max_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._in_flight = 0
        self._burst = max(1.0, max_per_second)
        self._tokens = self._burst
        self._filled = clock()

    @property
    def in_flight(self) -> int:
        """The number of requests that are let in and not yet answered."""
        return self._in_flight

    def enter(self) -> None:
        """Lets a request in, which must `leave`.

        Raises:
            ServingError: `UNAVAILABLE`, too many at once;
                `RESOURCE_EXHAUSTED`, too many a second.
        """
        with self._lock:
            if self._max_in_flight and self._in_flight >= self._max_in_flight:
                raise ServingError(
                    Code.UNAVAILABLE,
                    "The server answers at most "
                    f"{self._max_in_flight} requests at once "
                    "(--max_in_flight_requests). Try again later.",
                )
            if self._rate:
                self._take_token()
            self._in_flight += 1

    def leave(self) -> None:
        """Makes room for another."""
        with self._lock:
            self._in_flight -= 1

    def _take_token(self):
        now = self._clock()
        filled = self._tokens + (now - self._filled) * self._rate
        self._tokens, self._filled = min(self._burst, filled), now
        if self._tokens < 1:
            raise ServingError(
                Code.RESOURCE_EXHAUSTED,
                f"The server answers at most {self._rate:g} requests a second "
                "(--max_requests_per_second). Try again later.",
            )
        self._tokens -= 1
