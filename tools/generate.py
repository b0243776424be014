"""`python -m tools.generate`: see gpt_keras/cli/generate.py."""

from gpt_keras.cli import generate

if __name__ == "__main__":
    generate.run()
