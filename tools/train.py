"""`python -m tools.train`: see gpt_keras/cli/train.py."""

from gpt_keras.cli import train

if __name__ == "__main__":
    train.run()
