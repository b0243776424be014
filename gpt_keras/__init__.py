"""A GPT for Keras: from text to a served model.

Keras is imported when the model is asked for, not before, so that a client of
a served model starts at once.
"""

import os
import typing

if typing.TYPE_CHECKING:
    from gpt_keras.model import GPTModel

if os.environ.get("TF_USE_LEGACY_KERAS", "0").lower() in ("1", "true"):
    raise ImportError(
        "gpt_keras needs Keras 3, and TF_USE_LEGACY_KERAS selects Keras 2. "
        "Received: TF_USE_LEGACY_KERAS="
        f"{os.environ['TF_USE_LEGACY_KERAS']}. Unset it and start again."
    )

__all__ = ["GPTModel"]


def __getattr__(name: str):
    """Returns the model's class, which registers it with Keras."""
    if name != "GPTModel":
        raise AttributeError(f"module 'gpt_keras' has no attribute {name!r}")
    from gpt_keras.model import GPTModel

    return GPTModel
