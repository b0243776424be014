"""Counts of a long work in, a bar on a terminal or lines in a file out.

Both go to standard error, and what takes less than two seconds shows nothing.
"""

import sys
import threading
import time

import tqdm

from gpt_keras.terminal import has_colours
from gpt_keras.terminal import is_terminal

DELAY = 2.0  # seconds without a sign
_LINE_SECONDS = 15.0  # between two lines
_COLOUR = "green"
_LARGE = 9999  # beyond, counts are shown as 12.3k
_FORMAT = (
    "{desc} {percentage:3.0f}%|{bar:8}| {n_fmt}/{total_fmt}, {remaining} left"
    "{postfix}, {rate_noinv_fmt}"
)


class Progress:
    """Shows the count, how much a second, and the time left.

    On a terminal it is a bar, which stays below what `tqdm.write` prints;
    elsewhere a line every 15 seconds and one at the end.

    Args:
        title: What is done.
        total: Its size; None where it isn't known.
        unit: What is counted, in the plural.
        initial: What was done before.
        delay: Seconds until it shows.
        is_silent: Show nothing.

    Attributes:
        note: Stands at the end.
    """

    def __init__(
        self,
        title: str,
        total: int | None = None,
        unit: str = "tokens",
        initial: int | None = None,
        delay: float = DELAY,
        is_silent: bool = False,
    ):
        self.note = ""
        self._title, self._total, self._unit = title, total, unit
        self._initial = initial
        self._count = initial or 0
        self._begin = self._told = time.monotonic()
        self._is_silent = is_silent
        self._has_told = delay == 0
        self._bar = None
        if is_terminal(sys.stderr) and not is_silent:
            self._bar = tqdm.tqdm(
                desc=title,
                total=total,
                initial=initial or 0,
                unit=f" {unit}",
                unit_scale=total is None or total > _LARGE,
                delay=delay,
                dynamic_ncols=True,
                mininterval=0.2,
                miniters=1,
                bar_format=_FORMAT if total else None,
                colour=_COLOUR if has_colours(sys.stderr) else None,
            )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def show(self, count: int, total: int | None = None) -> None:
        """Takes the count so far; the first one without `initial` is it.

        Args:
            count: Of the units.
            total: Where it is known only now.
        """
        if self._initial is None:
            self._initial = count
            if self._bar is not None:
                self._bar.initial = self._bar.n = self._bar.last_print_n = count
        self._count, self._total = count, total or self._total
        if self._bar is not None:
            self._bar.total = self._total
            self._bar.bar_format = _FORMAT if self._total else None
            self._bar.set_postfix_str(self.note, refresh=False)
            self._bar.update(count - self._bar.n)
        elif time.monotonic() - self._told >= _LINE_SECONDS:
            self._tell()

    def close(self) -> None:
        """Shows the last state, where there was anything to show."""
        if self._bar is not None:
            self._bar.close()
        elif self._has_told:
            self._tell()
        self._is_silent = True

    def _tell(self):
        self._told, self._has_told = time.monotonic(), True
        if not self._is_silent:
            print(self._line(), file=sys.stderr, flush=True)

    def _line(self) -> str:
        seconds = self._told - self._begin
        rate = (self._count - (self._initial or 0)) / seconds if seconds else 0
        of = f" of {self._total:,}" if self._total else ""
        parts = [
            f"{self._title}: {self._count:,}{of} {self._unit}",
            f"{rate:,.1f}/s",
        ]
        if self._total and rate:
            seconds = (self._total - self._count) / rate
            left = tqdm.tqdm.format_interval(seconds)
            parts.append(f"{left} left")
        return ", ".join([*parts, self.note] if self.note else parts)


class Working:
    """Shows on a terminal that something is done, and for how long.

    For what nobody can count, such as loading a model.

    Args:
        title: What is done.

    Example:

    >>> with Working("Loading runs/quickstart"):
    ...     pass
    """

    def __init__(self, title: str):
        self._title = title
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self):
        if is_terminal(sys.stderr):
            self._thread = threading.Thread(target=self._show, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exception):
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _show(self):
        begin = time.monotonic()
        if self._done.wait(DELAY):
            return
        with tqdm.tqdm(bar_format="{desc}", leave=False) as bar:
            while True:
                seconds = time.monotonic() - begin
                so_far = tqdm.tqdm.format_interval(seconds)
                bar.set_description_str(f"{self._title} … {so_far}")
                if self._done.wait(0.5):
                    return
