"""A command in, its end out; after a limit, a failure that shows its output.

A command gets a session of its own: whatever it started is killed with it, or
what it leaves behind would keep its pipes open.
"""

import contextlib
import os
import signal
import subprocess
import threading

SECONDS = 300.0  # a loaded machine takes long to import TensorFlow


def run(
    command,
    *,
    seconds: float = SECONDS,
    input=None,
    capture_output: bool = False,
    check: bool = False,
    **options,
) -> subprocess.CompletedProcess:
    """Does as `subprocess.run`, which waits for ever for what a command left.

    Args:
        command: As `subprocess.Popen` takes it.
        seconds: After which all of it is killed.
        input: What it reads.
        capture_output: Whether to return what it writes.
        check: Whether it must end with status 0.
        **options: Of `subprocess.Popen`.

    Raises:
        TimeoutError: It took longer; the text has what it wrote.
        subprocess.CalledProcessError: `check`, and it failed.
    """
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if input is not None:
        options["stdin"] = subprocess.PIPE
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        written = process.communicate(input, timeout=seconds)
    except BaseException as error:
        kill_all(process)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        written = process.communicate(timeout=30)
        ends = [_text(part)[-3000:] for part in written]
        raise TimeoutError(
            f"{command} took more than {seconds:.0f} s. Its output ended "
            f"with:\n{ends[0]}\n{ends[1]}"
        ) from error
    kill_all(process)  # what it left behind
    result = subprocess.CompletedProcess(command, process.returncode, *written)
    if check:
        result.check_returncode()
    return result


@contextlib.contextmanager
def started(command, *, seconds: float = SECONDS, **options):
    """Yields a process that is killed at the end, or after `seconds`.

    So no read of its output and no wait for its end can take longer.
    """
    process = subprocess.Popen(command, start_new_session=True, **options)
    limit = threading.Timer(seconds, kill_all, [process])
    limit.daemon = True
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        kill_all(process)
        process.wait(30)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def kill_all(process) -> None:
    """Kills a process of `started` and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _text(written) -> str:
    if isinstance(written, bytes):
        return written.decode("utf-8", "replace")
    return written or ""
