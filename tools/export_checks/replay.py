"""The requests of a warm-up file come in, the Session's answers go out, and
how long they took.
"""

import resource
import statistics
from collections.abc import Sequence

from tools.export_checks import runners
from tools.export_checks.report import Report
from tools.export_checks.requests import Request
from tools.export_checks.runners import Answer

LATER_REQUESTS = 7  # of each signature, to take the median of
MAX_RATIO = 1.5  # of the first request after the warm-up to that median
NOISE = 0.1  # seconds that any request may be late by


def replay(
    report: Report, version_dir, warm_up: Sequence[Request]
) -> list[tuple[Request, Answer]]:
    """Loads a version in a v1 `Session` and replays its warm-up requests, as a
    server does, record by record.

    After them each signature gets its first record again and again: the first
    of these must not take much longer than the others.

    Args:
        report: Gets what is found.
        version_dir: The version folder.
        warm_up: The requests.

    Returns:
        The records and some requests more, each with the Session's answer, for
        others to be compared with; none if the version can't be loaded.
    """
    firsts = {}
    for request in warm_up:
        firsts.setdefault(request.signature, request)
    again = [x for x in firsts.values() for _ in range(1 + LATER_REQUESTS)]
    requests = [*warm_up, *again, *_special(warm_up)]
    try:
        answers = runners.ask(runners.session(), version_dir, requests)
    except RuntimeError as error:
        report.say("Session", [error])
        return []
    timed = slice(len(warm_up), len(warm_up) + len(again))
    seconds = [answer.seconds for answer in answers[timed]]
    del requests[timed], answers[timed]
    faults = failures(requests, answers)
    report.say("Session", faults, f"{len(requests)} requests answered")
    report.lines.append(f"Session: at most {_peak_memory():,.0f} MB of memory")
    report.lines.extend(_record_lines(warm_up, answers))
    for name in () if faults else firsts:
        times = seconds[: 1 + LATER_REQUESTS]
        seconds = seconds[len(times) :]
        line, is_late = first_request(times)
        report.say(f"first request, {name}", [line] * is_late, line)
    return list(zip(requests, answers, strict=True))


def failures(
    requests: Sequence[Request], answers: Sequence[Answer]
) -> list[str]:
    """Says which requests failed, or have answers with too few or many rows."""
    found = []
    for number, (request, answer) in enumerate(
        zip(requests, answers, strict=True), 1
    ):
        name = f"request {number}, `{request.signature}`, {request.rows} rows"
        if answer.error:
            found.append(f"{name}: {answer.error}")
        for output, array in (answer.outputs or {}).items():
            if array.shape[:1] != (request.rows,):
                found.append(f"{name}: `{output}` has the shape {array.shape}")
    return found


def first_request(seconds: Sequence[float]) -> tuple[str, bool]:
    """Compares the first request after the warm-up to later ones.

    Returns:
        A line with the times, and whether the first took too long.
    """
    first, *later = seconds
    median = statistics.median(later)
    line = f"{first:.4f} s, then {median:.4f} s: {first / median:.2f} times"
    return line, first > MAX_RATIO * median + NOISE


def _special(warm_up):
    """Returns what a warm-up file need not have: a request with a seed for
    each that draws one, whose answers can't be compared, and an empty batch
    for every signature.
    """
    seeded = [x.with_seed() for x in warm_up if x.draws_seed]
    empty = {x.signature: x.without_rows() for x in warm_up}
    return [*seeded, *empty.values()]


def _peak_memory() -> float:
    """Returns the megabytes of the largest process that was started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return used * 1024 / 1e6


def _record_lines(warm_up, answers):
    for number, request in enumerate(warm_up):
        answer = answers[number]
        time = "fails" if answer.error else f"{answer.seconds:9.4f} s"
        yield (
            f"  record {number + 1:4} {request.signature:16} "
            f"{request.rows:4} rows {time}"
        )
