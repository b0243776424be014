"""`python -m tools.chat`: see gpt_keras/cli/chat.py."""

import os

os.environ.setdefault("GPT_KERAS_CLIENT_ONLY", "1")  # starts without Keras

from gpt_keras.cli import chat  # noqa: E402

if __name__ == "__main__":
    chat.run()
