"""`python -m tools.measure_kills`: cli/measure_kills.py."""

from gpt_keras.cli import measure_kills

if __name__ == "__main__":
    measure_kills.run()
