"""`python -m tools.measure_export`: cli/measure_export.py."""

from gpt_keras.cli import measure_export

if __name__ == "__main__":
    measure_export.run()
