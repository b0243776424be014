"""A main function in, a program whose errors are one line out."""

import sys

from absl import app
from absl import flags
from absl import logging

# What a user can put right: told in one line, without a trace.
_USER_ERRORS = (ValueError, OSError)

_VERBOSE = flags.DEFINE_boolean(
    "trace", False, "Show the whole trace of an error."
)


def run(main) -> None:
    """Runs `main(argv)` as an absl program.

    It exits with 0, with 1 after an error, or with what `main` returns.
    """

    def guarded(argv):
        logging.set_verbosity(logging.WARNING)
        if len(argv) > 1:
            raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
        try:
            return main(argv)
        except _USER_ERRORS as error:
            if _VERBOSE.value:
                raise
            print(f"error: {error}", file=sys.stderr)
            return 1

    app.run(guarded)
