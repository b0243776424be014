"""`python -m tools.measure_store`: see gpt_keras/cli/measure_store.py."""

from gpt_keras.cli import measure_store

if __name__ == "__main__":
    measure_store.run()
