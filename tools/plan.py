"""`python -m tools.plan`: see gpt_keras/cli/plan.py."""

from gpt_keras.cli import plan

if __name__ == "__main__":
    plan.run()
