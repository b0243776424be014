"""Blocks of Python in, a line each, how each ended out.

What all of them import is imported once, in the folder that this program is
started in; each block then runs in a process that is forked for it, before
TensorFlow starts.
"""

import json
import os
import sys
import tempfile
import traceback


def main():
    sys.path.insert(0, os.getcwd())
    import gpt_keras.cli.export  # noqa: F401  what serves and generates
    import gpt_keras.cli.train  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


def _run(code: str) -> dict:
    """Returns the exit status of a block, and what it wrote."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os._exit(_status(code))
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return {
            "status": os.waitstatus_to_exitcode(status),
            "output": output.read(),
        }


def _status(code) -> int:
    try:
        exec(compile(code, "<block>", "exec"), {"__name__": "__main__"})
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main()
