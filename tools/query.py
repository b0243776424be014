"""`python -m tools.query`: see gpt_keras/cli/query.py."""

from gpt_keras.cli import query

if __name__ == "__main__":
    query.run()
