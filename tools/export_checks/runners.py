"""Requests come in, answers go out, from a process that loads the model as a
server does.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2

from tools.export_checks.exchange import array_to_words
from tools.export_checks.exchange import words_to_array
from tools.export_checks.graph import read_meta_graph
from tools.export_checks.graph import signatures_of
from tools.export_checks.requests import Request
from tools.export_checks.requests import check_request

FOLDER = pathlib.Path(__file__).parent
OWN_LIBRARIES = tf.sysconfig.get_lib()
LIBRARIES = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")
BUILD = """
    g++ -std=c++17 -O1 -D_GLIBCXX_USE_CXX11_ABI=1
    -DEIGEN_MAX_ALIGN_BYTES=64 -DNDEBUG -isystem {libraries}/include {source}
    -o {program} -L{libraries} -l:libtensorflow_cc.so.2
    -l:libtensorflow_framework.so.2 -Wl,-rpath,{libraries}
"""


class Answer(NamedTuple):
    """What came back for one request.

    Attributes:
        outputs: An array for each output; None if it failed.
        seconds: The time inside TensorFlow.
        error: Why it failed.
    """

    outputs: dict[str, np.ndarray] | None
    seconds: float
    error: str


def session() -> list[str]:
    """Returns the command of the v1 `Session`."""
    return [sys.executable, "-m", "tools.export_checks.run_session"]


def c_api(libraries: str = OWN_LIBRARIES) -> list[str]:
    """Returns the command of the C API."""
    return [sys.executable, str(FOLDER / "run_c_api.py"), libraries]


def has_compiler() -> bool:
    """Whether the C++ program can be built."""
    return shutil.which("g++") is not None


def cpp(libraries: str = OWN_LIBRARIES) -> list[str]:
    """Returns the command of the C++ program.

    It is built at the first call with these libraries.

    Args:
        libraries: The folder of TensorFlow's libraries, with its headers in
            `include`.

    Raises:
        RuntimeError: It can't be built.
    """
    return [_build(libraries)]


@functools.cache
def _build(libraries):
    folder = _build_folder().name
    values = {
        "libraries": libraries,
        "source": FOLDER / "run_saved_model.cc",
        "program": os.path.join(folder, f"run_{len(os.listdir(folder))}"),
    }
    command = [word.format_map(values) for word in BUILD.split()]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        raise RuntimeError(f"The C++ program can't be built: {built.stderr}")
    return values["program"]


@functools.cache
def _build_folder():
    """Makes a folder that goes when the process does."""
    return tempfile.TemporaryDirectory(prefix="check_export-")


def core_ops(libraries: str = OWN_LIBRARIES) -> op_def_pb2.OpList:
    """Returns the operations that TensorFlow's libraries know.

    Raises:
        RuntimeError: The libraries can't be loaded.
    """
    result = _start([*c_api(libraries), "ops"], "")
    if result.returncode:
        raise RuntimeError(_reason(result))
    return op_def_pb2.OpList.FromString(bytes.fromhex(result.stdout))


def ask(
    command: Sequence[str], version_dir, requests: Sequence[Request]
) -> list[Answer]:
    """Loads a version in a process of its own and gives it requests.

    Args:
        command: Of one of the programs above.
        version_dir: The version folder.
        requests: What to ask, one after the other.

    Raises:
        ValueError: A request does not fit the signatures.
        RuntimeError: The version can't be loaded, or the process ended.
    """
    signatures = signatures_of(read_meta_graph(version_dir))
    for request in requests:
        check_request(request, signatures)
    lines = [
        line
        for request in requests
        for line in _lines(request, signatures[request.signature])
    ]
    result = _start(
        [*command, os.path.abspath(version_dir)],
        "".join(f"{line}\n" for line in lines),
    )
    first, *lines = result.stdout.splitlines() or [""]
    if not first.startswith("loaded "):
        raise RuntimeError(first.removeprefix("error ") or _reason(result))
    answers = _answers(lines, requests, signatures)
    if len(answers) < len(requests):
        raise RuntimeError(
            f"Request {len(answers) + 1} ended the process: {_reason(result)}"
        )
    return answers


def _lines(request, signature):
    for name, array in request.inputs.items():
        yield " ".join(
            ["feed", signature.inputs[name].name, *array_to_words(array)]
        )
    for name in sorted(signature.outputs):
        yield f"fetch {signature.outputs[name].name}"
    yield "run"


def _start(command, text):
    """Runs a program on the CPU, with XLA's settings as a server has them."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_XLA_FLAGS"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
    return subprocess.run(
        command,
        input=text,
        cwd=FOLDER.parents[1],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


def _reason(result):
    last = result.stderr.strip().splitlines()[-1:] or ["nothing was said"]
    return f"exit status {result.returncode}, {last[0]}"


def _answers(lines, requests, signatures):
    answers, arrays = [], []
    for line in lines:
        command, *words = line.split()
        if command == "output":
            arrays.append(words_to_array(words))
            continue
        outputs, seconds, error = None, 0.0, ""
        if command == "ran":
            signature = requests[len(answers)].signature
            names = sorted(signatures[signature].outputs)
            outputs = dict(zip(names, arrays, strict=True))
            seconds = float(words[0])
        else:
            error = " ".join(words)
        answers.append(Answer(outputs, seconds, error))
        arrays = []
    return answers
