"""Runs a model in a v1 `Session`: `python -m tools.export_checks.run_session
FOLDER`. Requests come in, answers go out, as lines: see `exchange.py`.
"""

import sys
import time

import tensorflow as tf

from tools.export_checks.exchange import array_to_words
from tools.export_checks.exchange import one_line
from tools.export_checks.exchange import words_to_array


def main(folder: str):
    start = time.perf_counter()
    graph = tf.Graph()
    with tf.compat.v1.Session(graph=graph) as session:
        try:
            tf.compat.v1.saved_model.load(session, ["serve"], folder)
        except Exception as error:  # whatever a broken folder leads to
            _say("error", one_line(error))
            return 1
        _say("loaded", f"{time.perf_counter() - start:.6f}")
        _answer(session)
    return 0


def _answer(session):
    feeds, fetches = {}, []
    for line in sys.stdin:
        command, *words = line.split()
        if command == "feed":
            feeds[words[0]] = words_to_array(words[1:])
        elif command == "fetch":
            fetches += words
        else:
            _run(session, feeds, fetches)
            feeds, fetches = {}, []


def _run(session, feeds, fetches):
    start = time.perf_counter()
    try:
        outputs = session.run(fetches, feeds)
    except (tf.errors.OpError, ValueError, TypeError, KeyError) as error:
        _say("error", one_line(getattr(error, "message", error)))
        return
    seconds = time.perf_counter() - start
    for output in outputs:
        _say("output", *array_to_words(output))
    _say("ran", f"{seconds:.6f}")


def _say(*words):
    print(*words, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
