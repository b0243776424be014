"""A GPT for Keras: from text to a served model.

The import registers with Keras what a saved model names. A process that only
asks a server can do without: with GPT_KERAS_CLIENT_ONLY=1 in its environment,
Keras is imported when the model is asked for, and not before. So it is in the
command `gpt-keras`, which imports what it needs itself.
"""

import os
import pathlib
import sys


def _is_set(name: str) -> bool:
    return os.environ.get(name, "0").lower() in ("1", "true")


def _is_command() -> bool:
    return pathlib.PurePath(getattr(sys, "argv", [""])[0]).stem == "gpt-keras"


if _is_set("TF_USE_LEGACY_KERAS"):
    raise ImportError(
        "gpt_keras needs Keras 3, and TF_USE_LEGACY_KERAS selects Keras 2. "
        "Received: TF_USE_LEGACY_KERAS="
        f"{os.environ['TF_USE_LEGACY_KERAS']}. Unset it and start again."
    )

from gpt_keras.config import TrainConfig  # noqa: E402
from gpt_keras.version import __version__  # noqa: E402

__all__ = ["GPTModel", "TrainConfig", "__version__"]

if not (_is_set("GPT_KERAS_CLIENT_ONLY") or _is_command()):
    from gpt_keras.model import GPTModel


def __getattr__(name: str):
    """Returns the model's class where it was not imported before."""
    if name != "GPTModel":
        raise AttributeError(f"module 'gpt_keras' has no attribute {name!r}")
    from gpt_keras.model import GPTModel

    return GPTModel
