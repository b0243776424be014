"""Options of runs in, what each found out, each in a process of its own.

A strategy sticks to its process, and a failure may spoil what comes after it.
The processes are forked once all is imported, and before TensorFlow starts.
"""

import faulthandler
import json
import os
import pathlib
import sys
import traceback

import limited_process

ROOT = pathlib.Path(__file__).parents[1]
SECONDS = 300  # of a run, on a loaded machine
_failed = set()  # what failed is not begun again by each test that asks for it


def run_each(program, runs) -> list[dict]:
    """Runs a program of `fork_each` on each of some options.

    Args:
        program: Its path.
        runs: Dictionaries that JSON can hold.

    Returns:
        What its function returned for each; `{"error": text}` where it raised
        or took more than `SECONDS`.
    """
    key = json.dumps([str(program), runs])
    assert key not in _failed, "It failed in the test before."
    _failed.add(key)
    paths = [str(ROOT), str(ROOT / "tests"), *sys.path]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    result = limited_process.run(
        [sys.executable, program, *map(json.dumps, runs)],
        capture_output=True,
        text=True,
        env=environment,
        seconds=30 + SECONDS * len(runs),  # those of a run come first
    )
    lines = [x for x in result.stdout.splitlines() if x.startswith("{")]
    found = [json.loads(line) for line in lines]
    assert len(found) == len(runs), result.stderr[-3000:]
    print(result.stderr[-10_000:], file=sys.stderr)  # pytest shows a failure's
    _failed.discard(key)
    return found


def fork_each(function) -> None:
    """Calls a function with the options of each argument of the program."""
    for argument in sys.argv[1:]:
        child = os.fork()
        if child == 0:
            # Shows where it hangs, in TensorFlow too, and ends it.
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                found = function(**json.loads(argument))
            except Exception as error:
                found = {"error": f"{type(error).__name__}: {error}"}
                traceback.print_exc()
            print(json.dumps(found), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            code = os.waitstatus_to_exitcode(status)
            print(json.dumps({"error": f"exit status {code}"}), flush=True)
