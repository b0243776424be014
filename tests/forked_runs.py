"""Options of runs in, what each found out, each in a process of its own.

A strategy sticks to its process, and a failure may spoil what comes after it.
The processes are forked once all is imported, and before TensorFlow starts.
"""

import json
import os
import pathlib
import subprocess
import sys
import traceback

ROOT = pathlib.Path(__file__).parents[1]


def run_each(program, runs) -> list[dict]:
    """Runs a program of `fork_each` on each of some options.

    Args:
        program: Its path.
        runs: Dictionaries that JSON can hold.

    Returns:
        What its function returned for each; `{"error": text}` where it raised.
    """
    paths = [str(ROOT), str(ROOT / "tests"), *sys.path]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    result = subprocess.run(
        [sys.executable, program, *map(json.dumps, runs)],
        capture_output=True,
        text=True,
        env=environment,
    )
    lines = [x for x in result.stdout.splitlines() if x.startswith("{")]
    found = [json.loads(line) for line in lines]
    assert len(found) == len(runs), result.stderr[-3000:]
    return found


def fork_each(function) -> None:
    """Calls a function with the options of each argument of the program."""
    for argument in sys.argv[1:]:
        child = os.fork()
        if child == 0:
            try:
                found = function(**json.loads(argument))
            except Exception as error:
                found = {"error": f"{type(error).__name__}: {error}"}
                traceback.print_exc()
            print(json.dumps(found), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
