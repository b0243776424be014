"""`python -m tools.measure_tasks`: cli/measure_tasks.py."""

from gpt_keras.cli import measure_tasks

if __name__ == "__main__":
    measure_tasks.run()
