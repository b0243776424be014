"""`python -m tools.export`: see gpt_keras/cli/export.py."""

from gpt_keras.cli import export

if __name__ == "__main__":
    export.run()
