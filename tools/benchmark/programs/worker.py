"""What every measured program shares: options in, timed repeats out as lines.

It needs Python alone, because some of the programs run in a Python that has
nothing of this project: the others find it beside themselves.
"""

import json
import sys
import time

_REPLY = "benchmark: "


def serve(make, profile=None) -> None:
    """Makes what is to be measured, and repeats it as often as it is asked.

    The program's argument is a JSON object of options. A line of standard
    input asks for a repeat, `profile FOLDER` for one under a profiler; a line
    that begins with `benchmark: ` answers.

    Args:
        make: Takes the options; returns facts to report, a dictionary, and a
            function that does the work once and returns figures of it, a
            dictionary with `"units"`: how much work it was. `"peak_bytes"`
            is the process's memory, unless they tell another.
        profile: Takes that function and a folder, and returns the ops that it
            consisted of; None where there is no such thing.
    """
    import_bytes = _memory("VmRSS")
    started = time.perf_counter()
    facts, repeat = make(options())
    _reply(
        {
            "setup_seconds": time.perf_counter() - started,
            "import_bytes": import_bytes,
            "has_profile": profile is not None,
            **facts,
        }
    )
    for line in sys.stdin:
        request, _, folder = line.rstrip("\n").partition(" ")
        if request == "profile":
            _reply({"ops": profile(repeat, folder)})
            continue
        started = time.perf_counter()
        figures = repeat()
        seconds = time.perf_counter() - started
        _reply({"seconds": seconds, "peak_bytes": _memory("VmHWM"), **figures})


def options() -> dict:
    """Returns the program's options."""
    return json.loads(sys.argv[1])


def parse_reply(line: str):
    """Returns the reply of a line; None where it is something else."""
    if not line.startswith(_REPLY):
        return None
    return json.loads(line.removeprefix(_REPLY))


def _reply(figures: dict) -> None:
    print(_REPLY + json.dumps(figures), flush=True)


def _memory(name: str) -> int:
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def random_ids(count: int, vocab_size: int):
    """Returns the ids that every contender gets, `(count,)` int64."""
    import numpy as np

    return np.random.default_rng(0).integers(0, vocab_size, count)


def characters(path: str):
    """Returns a text as nanoGPT's shakespeare_char has it.

    Args:
        path: A UTF-8 file.

    Returns:
        The ids of the first nine tenths, those of the rest, `(count,)` int32,
        and the number of characters that there are.
    """
    import numpy as np

    with open(path, encoding="utf-8") as file:
        text = file.read()
    ids = {character: id for id, character in enumerate(sorted(set(text)))}
    tokens = np.array([ids[character] for character in text], np.int32)
    return *np.split(tokens, [int(len(text) * 0.9)]), len(ids)


def windows(tokens, length: int):
    """Returns all tokens but the first as labels once, `(windows, length)`.

    Args:
        tokens: `(count,)` int32. What is left behind the last whole window is
            left out.
        length: Of a window.

    Returns:
        Inputs and labels, int64.
    """
    count = (len(tokens) - 1) // length * length
    pairs = tokens[:count], tokens[1 : count + 1]
    return tuple(x.reshape(-1, length).astype("int64") for x in pairs)
