"""`python -m tools.serve`: see gpt_keras/cli/serve.py."""

from gpt_keras.cli import serve

if __name__ == "__main__":
    serve.run()
