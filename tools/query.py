"""`python -m tools.query`: see gpt_keras/cli/query.py."""

import os

os.environ.setdefault("GPT_KERAS_CLIENT_ONLY", "1")  # starts without Keras

from gpt_keras.cli import query  # noqa: E402

if __name__ == "__main__":
    query.run()
