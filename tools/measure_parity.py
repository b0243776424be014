"""`python -m tools.measure_parity`: cli/measure_parity.py."""

from gpt_keras.cli import measure_parity

if __name__ == "__main__":
    measure_parity.run()
