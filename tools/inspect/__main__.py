"""`python -m tools.inspect`: see gpt_keras/cli/inspection.py.

A folder without `__init__.py`, unlike the other tools: a file `inspect.py`
would be found instead of Python's own by those that are run by their path.
"""

from gpt_keras.cli import inspection

if __name__ == "__main__":
    inspection.run()
