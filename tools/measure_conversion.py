"""`python -m tools.measure_conversion`: gpt_keras/cli/measure_conversion.py."""

from gpt_keras.cli import measure_conversion

if __name__ == "__main__":
    measure_conversion.run()
