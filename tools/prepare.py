"""`python -m tools.prepare`: see gpt_keras/cli/prepare.py."""

from gpt_keras.cli import prepare

if __name__ == "__main__":
    prepare.run()
