"""Says whether an exported version can be published to TensorFlow Serving.

python -m tools.check_export --version_dir=saved_models/quickstart/1 --compare

It reads the graph and the checksums, loads the version in a process of its
own, replays the warm-up requests and times those that follow. With `--compare`
it gives them to TensorFlow's C API as well and, where g++ is there, to its C++
loader; `--libraries` takes both from another TensorFlow. It needs nothing but
TensorFlow and tensorflow-serving-api, and exits with 1 if it finds a fault.
"""

import os

from absl import app
from absl import flags

from tools.export_checks import runners
from tools.export_checks.checksums import find_checksum_faults
from tools.export_checks.comparison import compare
from tools.export_checks.graph import find_graph_faults
from tools.export_checks.graph import read_meta_graph
from tools.export_checks.graph import signatures_of
from tools.export_checks.replay import replay
from tools.export_checks.report import Report
from tools.export_checks.requests import read_warm_up

_VERSION_DIR = flags.DEFINE_string(
    "version_dir", None, "Folder of the version, with its saved_model.pb."
)
_COMPARE = flags.DEFINE_bool(
    "compare", False, "Also run the version by the C API and by C++."
)
_LIBRARIES = flags.DEFINE_string(
    "libraries",
    None,
    "Compare with another TensorFlow: the folder of its libtensorflow_cc.so.2, "
    "with its headers in `include`.",
)


def check_export(
    version_dir, libraries: str | None = None, with_comparison: bool = False
) -> Report:
    """Checks a version.

    Args:
        version_dir: The version folder.
        libraries: The folder of TensorFlow's C++ libraries; None for those of
            the TensorFlow in use.
        with_comparison: Whether the C API and C++ run the requests too.

    Returns:
        What was found.

    Raises:
        OSError: The version or the libraries are not there.
        ValueError: The folder has no SavedModel for serving.
        RuntimeError: The libraries can't be loaded.
    """
    libraries = _checked_libraries(libraries)
    meta_graph = read_meta_graph(version_dir)
    signatures = signatures_of(meta_graph)
    report = Report([], [])
    faults = find_graph_faults(meta_graph, runners.core_ops(libraries))
    report.say("graph", faults, "core operations without state")
    faults = find_checksum_faults(version_dir)
    report.say("checksums", faults or [], "none" if faults is None else "ok")
    try:
        warm_up = read_warm_up(version_dir, signatures)
    except ValueError as error:
        report.say("warm-up", [error])
        return report
    missing = signatures.keys() - {request.signature for request in warm_up}
    faults = [f"there is no record for `{name}`" for name in sorted(missing)]
    report.say("warm-up", faults, f"{len(warm_up)} records")
    answers = replay(report, version_dir, warm_up)
    if with_comparison and answers:
        compare(report, version_dir, libraries, answers)
    return report


def _checked_libraries(folder):
    folder = os.path.abspath(folder or runners.OWN_LIBRARIES)
    for name in runners.LIBRARIES:
        if not os.path.isfile(os.path.join(folder, name)):
            raise FileNotFoundError(
                f"`--libraries` must be a folder with {name}. Received: "
                f"{folder}"
            )
    return folder


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    with_comparison = _COMPARE.value or _LIBRARIES.value is not None
    try:
        report = check_export(
            _VERSION_DIR.value, _LIBRARIES.value, with_comparison
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise SystemExit(f"error: {error}") from error
    print(*report.lines, sep="\n")
    if report.faults:
        raise SystemExit(f"error: {len(report.faults)} faults")
    print("The version can be published.")


if __name__ == "__main__":
    flags.mark_flag_as_required("version_dir")
    app.run(main)
