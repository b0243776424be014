"""`python -m tools.measure_serving`: see gpt_keras/cli/measure_serving.py."""

from gpt_keras.cli import measure_serving

if __name__ == "__main__":
    measure_serving.run()
