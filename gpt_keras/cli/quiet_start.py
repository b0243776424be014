"""TensorFlow's start in, without what it prints about the machine."""

import contextlib
import os
import sys


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


def import_tensorflow() -> None:
    """Imports TensorFlow so that only its errors are seen, then and later."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _quiet_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()
