"""`python -m tools.convert`: see gpt_keras/cli/convert.py."""

from gpt_keras.cli import convert

if __name__ == "__main__":
    convert.run()
