"""The programs by path: `python -m tools.train --help`.

TensorFlow prints lines about the machine when it starts; a program of ours
keeps them out of its log, but for `--verbose`. As gpt_keras.cli.quiet_start,
which it can't import: some of the programs need nothing of gpt_keras.
"""

import contextlib
import os
import sys

# What does without TensorFlow, the last two by REST, and then starts at once.
_LIGHT = {"tools.benchmark", "tools.chat", "tools.query"}


@contextlib.contextmanager
def _quiet_stderr():
    """Sends what C++ code writes to standard error nowhere."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _needs_tensorflow(arguments) -> bool:
    """Returns whether a program for these arguments needs it itself."""
    is_heavy = any(
        one.startswith("--model_dir")
        or (one.startswith("--server=") and "://" not in one)
        for one in arguments
    )
    return is_heavy or not _LIGHT & {*arguments}


_IS_VERBOSE = "--verbose" in sys.orig_argv
if not _IS_VERBOSE:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if _needs_tensorflow(sys.orig_argv) and not _IS_VERBOSE:
    with _quiet_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()
