"""The programs by path: `python -m tools.train --help`.

TensorFlow prints lines about the machine when it starts; a program of ours
keeps them out of its log.
"""

import contextlib
import os
import sys

# What may do without TensorFlow, and then starts at once.
_LIGHT = {"tools.chat", "tools.query"}


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


def start_tensorflow() -> None:
    """Imports TensorFlow and finds its devices, without a word."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _quiet_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()


if not _LIGHT & {*sys.orig_argv}:
    start_tensorflow()
