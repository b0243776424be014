"""Tests in, those of the dearest files first, and an end to each out.

A test that takes too long fails by pytest-timeout, whose signal Python sees
only once a call of TensorFlow has returned. Where it does not, a watchdog that
needs no Python writes all stacks into a file and ends the process. What takes
over the tests of that process then fails the test with that file, and goes on.
"""

import faulthandler
import hashlib
import os
import pathlib
import tempfile

import pytest

SECONDS = 60  # after the time in which a test must end by itself
# Files of a minute and more, by CPU time: the last ones run side by side.
DEAREST = (
    "docs_test.py",
    "serving/native_test.py",
    "serving/export_test.py",
    "training/trainer_test.py",
    "training/exact_trainer_test.py",
    "training/exact_step_test.py",
    "remat_test.py",
    "stock_faults/replicas_test.py",
    "tools/check_export_test.py",
    "cli/train_test.py",
    "model_test.py",
    "serving/signatures_test.py",
    "cli/measure_kills_test.py",
    "training/hosts_test.py",
    "layers/lora_test.py",
    "generation/decoding_test.py",
    "serving/streaming_signatures_test.py",
    "training/chunked_training_test.py",
    "serving/client_test.py",
    "training/muon_test.py",
    "cli/measure_export_test.py",
    "cli/measure_parity_test.py",
)
_FOLDER = pathlib.Path(__file__).parent
_PLACES = {str(_FOLDER / name): place for place, name in enumerate(DEAREST)}


def pytest_collection_modifyitems(items):
    """`tools/test.sh` has the files run in this order."""
    items.sort(key=lambda item: _PLACES.get(str(item.path), len(_PLACES)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    path = _stacks_of(item)
    item.ended_a_process = path.exists() and path.read_text("utf-8")
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        seconds = _seconds_of(item) + SECONDS
        faulthandler.dump_traceback_later(seconds, file=file, exit=True)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if item.ended_a_process is not False:
        pytest.fail(
            "The process that ran this test ended. Stacks, if it took too "
            f"long:\n{item.ended_a_process}",
            pytrace=False,
        )


def _stacks_of(item) -> pathlib.Path:
    """Returns the file of a test's stacks: of a run, and of a user."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    name = hashlib.sha256(item.nodeid.encode()).hexdigest()[:32]
    return pathlib.Path(tempfile.gettempdir(), f"stacks-{run}", name)


def _seconds_of(item) -> float:
    mark = item.get_closest_marker("timeout")
    if mark and mark.args:
        return float(mark.args[0])
    if given := item.config.getoption("timeout", None):
        return float(given)
    return 600.0  # as pyproject.toml has it


def pytest_sessionfinish(session):
    """Removes the folder of the run, once nothing is in it."""
    folder = pathlib.Path(tempfile.gettempdir())
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    try:
        (folder / f"stacks-{run}").rmdir()
    except OSError:
        pass
