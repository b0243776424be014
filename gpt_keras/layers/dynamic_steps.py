"""Whether a step's graph may follow the numbers in its cache.

Shapes that depend on how far a cache is filled, and branches on whether all
rows are filled as far, are what TensorFlow's kernels can do and XLA can't.
Who traces a step knows which of them will run it.
"""

import contextlib
import contextvars

import keras

_IS_DYNAMIC = contextvars.ContextVar("is_dynamic", default=False)


@contextlib.contextmanager
def dynamic_steps():
    """Lets the steps that are traced inside follow their cache's numbers.

    What they compute is the same, with less memory touched.
    """
    before = _IS_DYNAMIC.set(True)
    try:
        yield
    finally:
        _IS_DYNAMIC.reset(before)


def is_dynamic() -> bool:
    """Returns whether a step that is traced now may, in TensorFlow."""
    return _IS_DYNAMIC.get() and keras.backend.backend() == "tensorflow"
