"""Suites in, the ops that their contenders' time goes into out."""

import pathlib
import re
from collections.abc import Callable

from tools.benchmark.measurement import Worker
from tools.benchmark.suites import Suite


def profile(
    suite: Suite,
    pythons: dict[str, str],
    folder: str,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, list]:
    """Has contenders do a turn more, under TensorFlow's profiler.

    Args:
        suite: Whose contenders. Those whose program has no profile, and those
            that cannot be run, are left out.
        pythons: The path of each Python by its name.
        folder: Each one's trace goes into a folder of its own below it.
        say: Is told of every one.

    Returns:
        By the contender's name, `[kind of op, calls, seconds]`, the slowest
        first.
    """
    found = {}
    for contender in suite.contenders:
        if contender.missing or not pythons.get(contender.python):
            continue
        worker = Worker(contender, pythons)
        try:
            if worker.facts["has_profile"]:
                worker.repeat()  # traces and compiles
                place = _folder(folder, suite.name, contender.name)
                found[contender.name] = worker.profile(place)
                say(f"{contender.name}: profiled in {place}")
        finally:
            worker.close()
    return found


def _folder(folder, *names):
    parts = [re.sub(r"\W+", "_", name).strip("_") for name in names]
    return str(pathlib.Path(folder).absolute().joinpath(*parts))
