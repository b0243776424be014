"""The Session's answers come in, what other programs answer differently goes
out.
"""

import os
from collections.abc import Sequence

import numpy as np

from tools.export_checks import runners
from tools.export_checks.replay import failures
from tools.export_checks.report import Report
from tools.export_checks.requests import Request
from tools.export_checks.runners import Answer

TOLERANCE = 1e-5  # of floats, absolute and relative; all else is to be equal


def compare(
    report: Report,
    version_dir,
    libraries: str,
    expected: Sequence[tuple[Request, Answer]],
) -> None:
    """Gives requests to the C API and to C++ as well.

    Args:
        report: Gets what is found.
        version_dir: The version folder.
        libraries: The folder of TensorFlow's libraries.
        expected: The requests with the Session's answers.
    """
    report.lines.append(f"libraries: {libraries}")
    programs = {"C API": runners.c_api}
    if not runners.has_compiler():
        report.lines.append("C++: not run, there is no g++")
    elif not os.path.isdir(os.path.join(libraries, "include")):
        report.lines.append("C++: not run, the libraries have no `include`")
    else:
        programs["C++"] = runners.cpp
    requests = [request for request, _ in expected]
    for name, program in programs.items():
        try:
            answers = runners.ask(program(libraries), version_dir, requests)
        except RuntimeError as error:
            report.say(name, [error])
            continue
        faults = failures(requests, answers)
        for number, pair in enumerate(zip(expected, answers, strict=True), 1):
            faults += [f"request {number}, {x}" for x in _differing(*pair)]
        report.say(name, faults, f"{len(requests)} answers as the Session's")


def _differing(expected, received):
    request, answer = expected
    if request.draws_seed or answer.error or received.error:
        return
    for name in differences(answer.outputs, received.outputs):
        yield f"`{request.signature}`: `{name}` is not what the Session gives"


def differences(expected: dict, received: dict) -> list[str]:
    """Returns the names of the outputs that differ, floats by more than
    `TOLERANCE`, or that only one of two answers has.

    Of `state_bytes`, which hold floats, the sizes are compared.
    """
    return [
        name
        for name in sorted(expected.keys() | received.keys())
        if not _are_equal(*_comparable(name, expected, received))
    ]


def _comparable(name, expected, received):
    values = (expected.get(name), received.get(name))
    if name != "state_bytes" or any(value is None for value in values):
        return values
    return tuple(np.vectorize(len, otypes=[int])(value) for value in values)


def _are_equal(one, other):
    if one is None or other is None:
        return False
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind == "f":
        return np.allclose(one, other, TOLERANCE, TOLERANCE, equal_nan=True)
    return np.array_equal(one, other)
