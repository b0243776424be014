"""Ctrl-C and SIGTERM in, a request to stop at the next chance out."""

import signal


class StopSignals:
    """Inside, Ctrl-C and SIGTERM are noted and end nothing.

    A second one does what it did before: it ends the process at once.

    Attributes:
        received: The signal that came, or None.

    Example:

    >>> with StopSignals() as stop:
    ...     while not stop.received:
    ...         pass  # some work
    """

    def __init__(self):
        self.received: signal.Signals | None = None
        self._handlers = {}

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error):
        self._restore()

    def _note(self, number, frame):
        self.received = signal.Signals(number)
        self._restore()

    def _restore(self):
        """Gives the signals back to whom they were taken from."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
