"""Ctrl-C and SIGTERM in, a request to stop at the next chance out."""

import signal

from gpt_keras.training.hosts import Hosts


class StopSignals:
    """Inside, Ctrl-C and SIGTERM are noted and end nothing.

    A second one does what it did before: it ends the process at once.

    Args:
        hosts: Of the run. On several the one that a signal came to must not
            stop alone: all stop once they have agreed.

    Attributes:
        received: The signal that came, or None. On several hosts it is the
            same on all of them, and changes in `agree` only.

    Example:

    >>> with StopSignals() as stop:
    ...     while not stop.received:
    ...         pass  # some work
    """

    def __init__(self, hosts: Hosts | None = None):
        self.received: signal.Signals | None = None
        self._hosts = hosts
        self._came = 0
        self._handlers = {}

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error):
        self._restore()

    def agree(self) -> None:
        """Tells the other hosts; all of them call it at the same place."""
        if self._hosts is None or self.received is not None:
            return
        number = self._hosts.largest(self._came)
        self.received = signal.Signals(number) if number else None

    def _note(self, number, frame):
        self._came = number
        if self._hosts is None or self._hosts.count == 1:
            self.received = signal.Signals(number)
        self._restore()

    def _restore(self):
        """Gives the signals back to whom they were taken from."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
