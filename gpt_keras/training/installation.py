"""Nothing in, what software and devices this host computes with out."""

import hashlib
import pathlib
import platform

import keras
import numpy as np
import tensorflow as tf

_PACKAGE = pathlib.Path(__file__).parents[1]


def installed() -> dict[str, str]:
    """Returns what must be the same on all hosts of a run, by name.

    The files of this package are among it: two versions of a clone may have
    the same number.
    """
    devices = tf.config.list_physical_devices("GPU")
    return {
        "Python": platform.python_version(),
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "NumPy": np.__version__,
        "files of gpt_keras": _digest(_PACKAGE),
        "GPUs": str(len(devices)),
    }


def _digest(folder: pathlib.Path) -> str:
    """Returns the beginning of the SHA-256 of all Python files of a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:12]
