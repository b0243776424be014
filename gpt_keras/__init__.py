"""A GPT for Keras: from text to a served model."""

import os

if os.environ.get("TF_USE_LEGACY_KERAS", "0").lower() in ("1", "true"):
    raise ImportError(
        "gpt_keras needs Keras 3, and TF_USE_LEGACY_KERAS selects Keras 2. "
        "Received: TF_USE_LEGACY_KERAS="
        f"{os.environ['TF_USE_LEGACY_KERAS']}. Unset it and start again."
    )

# What a saved model names is found only once it is registered.
import gpt_keras.training.optimizers  # noqa: E402, F401
from gpt_keras.config import TrainConfig  # noqa: E402
from gpt_keras.model import GPTModel  # noqa: E402

__all__ = ["GPTModel", "TrainConfig"]
