"""`python -m tools.measure_loading`: see gpt_keras/cli/measure_loading.py."""

from gpt_keras.cli import measure_loading

if __name__ == "__main__":
    measure_loading.run()
