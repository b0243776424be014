"""`python -m tools.resize`: see gpt_keras/cli/resize.py."""

from gpt_keras.cli import resize

if __name__ == "__main__":
    resize.run()
