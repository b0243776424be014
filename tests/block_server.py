"""Blocks of Python and commands in, a line each, how each ended out.

What all of them import is imported once, in the folder that this program is
started in; each then runs in a process that is forked for it, before
TensorFlow starts. A command is the arguments of `python -m`.
"""

import faulthandler
import json
import os
import runpy
import sys
import tempfile
import traceback

SECONDS = 600  # of a block, on a loaded machine


def main():
    sys.path.insert(0, os.getcwd())
    import gpt_keras.cli.export  # noqa: F401  what serves and generates
    import gpt_keras.cli.train  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


def _run(block: str | list[str]) -> dict:
    """Returns the exit status of code or of a command, and what it wrote."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            # Shows where it hangs, in TensorFlow too, and ends it.
            faulthandler.dump_traceback_later(SECONDS, file=2, exit=True)
            os._exit(_status(block))
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return {
            "status": os.waitstatus_to_exitcode(status),
            "output": output.read(),
        }


def _status(block) -> int:
    try:
        if isinstance(block, str):
            exec(compile(block, "<block>", "exec"), {"__name__": "__main__"})
        else:
            sys.argv = block
            runpy.run_module(block[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else bool(end.code)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main()
