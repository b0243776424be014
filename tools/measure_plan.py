"""`python -m tools.measure_plan`: see gpt_keras/cli/measure_plan.py."""

from gpt_keras.cli import measure_plan

if __name__ == "__main__":
    measure_plan.run()
