"""A command in, what it writes to a terminal and its exit status out."""

import os
import pty
import select
import subprocess
import termios
import time

_SECONDS = 60.0


def on_terminal(
    command, when: str | None = None, then=None, **environment: str
) -> tuple[int, str]:
    """Runs a command on a terminal of its own, 80 columns wide.

    Args:
        command: Its words.
        when: Once this was written …
        then: … this is called, with the process and the terminal.
        **environment: On top of this process' own.

    Returns:
        The exit status, and what came.

    Raises:
        TimeoutError: It did not end.
    """
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 80))
    variables = os.environ | {"TERM": "xterm"}
    variables.pop("NO_COLOR", None)
    process = subprocess.Popen(
        command,
        stdin=its,
        stdout=its,
        stderr=its,
        env=variables | environment,
        start_new_session=True,
    )
    os.close(its)
    try:
        text = _read(ours, process, when, then)
        return process.wait(timeout=_SECONDS), text
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read(ours, process, when, then) -> str:
    begin, data = time.monotonic(), b""
    while True:
        left = begin + _SECONDS - time.monotonic()
        if not select.select([ours], [], [], max(left, 0))[0]:
            raise TimeoutError(data.decode("utf-8", "replace"))
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other side is closed
            piece = b""
        if not piece:
            return data.decode("utf-8").replace("\r\n", "\n")
        data += piece
        if when is not None and when.encode() in data:
            then(process, ours)
            when = None
