"""`python -m tools.evaluate`: see gpt_keras/cli/evaluate.py."""

from gpt_keras.cli import evaluate

if __name__ == "__main__":
    evaluate.run()
