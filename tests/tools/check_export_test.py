"""Tests of `tools.check_export`: it finds what it says it finds."""

import hashlib
import os
import pathlib
import shutil
import sys

import limited_process
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from tools.check_export import check_export
from tools.export_checks import runners
from tools.export_checks.checksums import find_checksum_faults
from tools.export_checks.comparison import differences
from tools.export_checks.graph import find_graph_faults
from tools.export_checks.graph import read_meta_graph
from tools.export_checks.replay import first_request

ROOT = pathlib.Path(__file__).parents[2]
TEXTS = tf.TensorSpec([None], tf.string, "prompts")
WEIGHTS = tf.TensorSpec([None], tf.float32, "weights")


class Model(tf.Module):
    """Has what an export has: a variable, a table, a loop and a drawn seed."""

    def __init__(self):
        super().__init__()
        self.variable = tf.Variable([1.0, 2.0])
        words = tf.lookup.KeyValueTensorInitializer(["a", "b"], [0, 1])
        self.table = tf.lookup.StaticHashTable(words, 0)

    @tf.function(input_signature=[TEXTS])
    def complete(self, prompts):
        value = tf.gather(self.variable, self.table.lookup(prompts))
        for _ in tf.range(3):
            value += 1.0
        return {"completions": tf.strings.as_string(value)}

    @tf.function(
        input_signature=[TEXTS, tf.TensorSpec([None], tf.int64, "seed")]
    )
    def generate(self, prompts, seed):
        shape = tf.shape(seed)
        drawn = tf.random.uniform(shape, 0, 2**62, tf.int64)
        seed = tf.where(seed < 0, drawn, seed)
        bits = tf.random.stateless_uniform(shape, [0, 1], None, None, tf.int32)
        return {"bits": bits, "seed_used": seed, "texts": prompts}


def texts(*values):
    return np.array(values, object)


GOOD_RECORDS = [
    ("serving_default", {"prompts": texts(b"a", b"b", b"")}),
    ("generate", {"prompts": texts(b"a"), "seed": np.array([-1])}),
    ("generate", {"prompts": texts(b"b"), "seed": np.array([5])}),
]


def write_records(folder, records):
    os.makedirs(folder / "assets.extra", exist_ok=True)
    path = folder / "assets.extra/tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in records:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = signature
            for name, array in inputs.items():
                dtype = tf.string if array.dtype == object else None
                request.inputs[name].CopyFrom(
                    tf.make_tensor_proto(array, dtype)
                )
            writer.write(log.SerializeToString())
    return path


def write_checksums(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  "
        f"{path.relative_to(folder)}\n"
        for path in files
    ]
    (folder / "assets.extra/SHA256SUMS").write_text("".join(lines))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "1"
    model = Model()
    signatures = {"serving_default": model.complete, "generate": model.generate}
    tf.saved_model.save(model, str(folder), signatures)
    write_records(folder, GOOD_RECORDS)
    write_checksums(folder)
    return folder


@pytest.fixture
def version(good, tmp_path):
    """A copy of the good version without checksums, to be damaged."""
    shutil.copytree(good, tmp_path / "1")
    (tmp_path / "1/assets.extra/SHA256SUMS").unlink()
    return tmp_path / "1"


def run(*arguments):
    return limited_process.run(
        [sys.executable, "-m", "tools.check_export", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_a_good_version_passes(good):
    result = run(f"--version_dir={good}")
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert lines[-1] == "The version can be published."
    assert "checksums: ok" in lines
    assert "warm-up: 3 records" in lines
    assert sum(line.startswith("  record ") for line in lines) == 3
    assert any(x.startswith("first request, generate: ") for x in lines)


def test_a_good_version_is_the_same_without_python(good):
    report = check_export(good, with_comparison=True)
    assert report.faults == []
    # Three records, one of them again with a seed, two empty batches.
    assert "C API: 6 answers as the Session's" in report.lines
    if runners.has_compiler():
        assert "C++: 6 answers as the Session's" in report.lines


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--version_dir={}", "must be a version folder, with a saved_model.pb"),
        ("--libraries={}", "must be a folder with libtensorflow_cc.so.2"),
    ],
)
def test_a_missing_folder_is_told_in_one_line(good, tmp_path, flag, message):
    flags = [f"--version_dir={good}", flag.format(tmp_path)]
    result = run(*flags)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and message in line
    assert str(tmp_path) in line


def test_faults_are_printed_and_the_program_fails(version):
    (version / "assets.extra/tf_serving_warmup_requests").unlink()
    result = run(f"--version_dir={version}")
    assert result.returncode == 1
    assert "FAULT warm-up: there is no record for `generate`" in result.stdout
    assert "there is no record for `serving_default`" in result.stdout
    assert result.stderr.splitlines() == ["error: 2 faults"]


def test_a_folder_that_is_no_saved_model_is_refused(version):
    (version / "saved_model.pb").write_bytes(b"no protocol buffer")
    with pytest.raises(ValueError, match="is not a SavedModel"):
        check_export(version)
    (version / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="a graph with the tag 'serve'"):
        check_export(version)


@pytest.fixture(scope="module")
def core_ops():
    return runners.core_ops()


def graph_faults(folder, core_ops):
    return find_graph_faults(read_meta_graph(folder), core_ops)


def save(folder, function, module=None):
    tf.saved_model.save(module or tf.Module(), str(folder), function)
    return folder


def test_a_good_graph_has_no_faults(good, core_ops):
    nodes = read_meta_graph(good).graph_def
    assert "AssignVariableOp" in str(nodes)  # where it is loaded
    assert graph_faults(good, core_ops) == []


def test_an_operation_that_is_not_core_is_found(version, core_ops):
    rename_op(version, "AsString", "SentencepieceOp")
    (fault,) = graph_faults(version, core_ops)
    assert fault.startswith("SentencepieceOp is no core operation")
    report = check_export(version)
    assert len(report.faults) == 2
    assert report.faults[0].startswith("FAULT graph: SentencepieceOp")
    assert report.faults[1].startswith("FAULT Session: ")


def rename_op(version, old, new):
    path = version / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    functions = model.meta_graphs[0].graph_def.library.function
    nodes = [node for x in functions for node in x.node_def if node.op == old]
    assert nodes
    for node in nodes:
        node.op = new
    path.write_bytes(model.SerializeToString())


def test_state_that_a_request_changes_is_found(tmp_path, core_ops):
    model = tf.Module()
    model.count = tf.Variable([0.0])
    model.cache = tf.lookup.experimental.MutableHashTable(
        tf.string, tf.int64, 0
    )

    @tf.function(input_signature=[TEXTS])
    def serve(prompts):
        model.count.assign_add([1.0])
        model.cache.insert(prompts, tf.ones_like(prompts, tf.int64))
        return {"found": model.cache.lookup(prompts)}

    faults = graph_faults(save(tmp_path / "1", serve, model), core_ops)
    names = {fault.split()[0] for fault in faults}
    assert names == {
        "AssignAddVariableOp",
        "MutableHashTableV2",
        "LookupTableInsertV2",
    }


def test_python_in_the_graph_is_found(tmp_path, core_ops):
    @tf.function(input_signature=[WEIGHTS])
    def serve(weights):
        (result,) = tf.py_function(lambda x: x, [weights], [tf.float32])
        return {"result": tf.ensure_shape(result, [None])}

    (fault,) = graph_faults(save(tmp_path / "1", serve), core_ops)
    assert fault == "EagerPyFunc does not run in a stock server"


def test_xla_in_the_graph_is_found(tmp_path, core_ops):
    double = tf.function(lambda x: x * 2, jit_compile=True)

    @tf.function(input_signature=[WEIGHTS])
    def serve(weights):
        for _ in tf.range(2):  # in the loop's own function
            weights = double(weights)
        return {"result": weights}

    (fault,) = graph_faults(save(tmp_path / "1", serve), core_ops)
    assert fault.startswith("_XlaMustCompile: ")


def test_what_differs_from_the_checksums_is_found(good, tmp_path):
    assert find_checksum_faults(good) == []
    folder = tmp_path / "1"
    shutil.copytree(good, folder)
    (folder / "variables/variables.index").write_bytes(b"changed")
    (folder / "saved_model.pb").unlink()
    (folder / "new").touch()
    assert find_checksum_faults(folder) == [
        "new is not in assets.extra/SHA256SUMS",
        "saved_model.pb is missing",
        "variables/variables.index is not what assets.extra/SHA256SUMS says",
    ]
    (folder / "assets.extra/SHA256SUMS").write_text("no checksum\n")
    faults = find_checksum_faults(folder)
    assert "'no checksum'" in faults[0] and len(faults) > 4


def test_no_checksums_are_no_fault(version):
    assert find_checksum_faults(version) is None


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (("other", {"prompts": texts(b"a")}), "Received: 'other'"),
        (("serving_default", {}), "takes {'prompts': 'object'}"),
        (("serving_default", {"prompts": np.ones([1], "i")}), "'int32'"),
    ],
)
def test_a_record_that_does_not_fit_is_found(version, record, message):
    write_records(version, [*GOOD_RECORDS, record])
    (fault,) = check_export(version).faults
    assert "warm-up: Record 4 of" in fault and message in fault


def test_a_damaged_warm_up_file_is_found(version):
    path = write_records(version, GOOD_RECORDS)
    path.write_bytes(path.read_bytes()[:-1])
    (fault,) = check_export(version).faults
    assert "tf_serving_warmup_requests is damaged" in fault
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(prediction_log_pb2.PredictionLog().SerializeToString())
    (fault,) = check_export(version).faults
    assert "Record 1" in fault and "`predict_log`. Received: None" in fault


def test_a_record_that_fails_is_found(tmp_path):
    @tf.function(input_signature=[WEIGHTS])
    def serve(weights):
        check = tf.debugging.assert_positive(weights, "too small")
        with tf.control_dependencies([check]):
            return {"result": weights * 1, "sum": tf.reduce_sum(weights)[None]}

    folder = save(tmp_path / "1", serve)
    records = [{"weights": np.array(x, "f")} for x in ([1], [2, -1], [3])]
    write_records(folder, [("serving_default", record) for record in records])
    report = check_export(folder, with_comparison=True)
    # The batch of two fails, and the sum is no column of an empty batch.
    for program in ["Session", "C API"] + ["C++"] * runners.has_compiler():
        faults = [x for x in report.faults if x.startswith(f"FAULT {program}:")]
        assert len(faults) == 2, report.faults
        assert "2, `serving_default`, 2 rows: " in faults[0]
        assert "too small" in faults[0]
        assert "0 rows: `sum` has the shape (1,)" in faults[1]


def test_an_answer_that_is_not_the_sessions_is_found(tmp_path):
    @tf.function(input_signature=[WEIGHTS])
    def serve(weights):
        return {
            "same": weights * 2,
            # Not drawn from the seed of another test.
            "drawn": tf.raw_ops.RandomUniformInt(
                shape=tf.shape(weights), minval=0, maxval=2**30
            ),
        }

    folder = save(tmp_path / "1", serve)
    write_records(folder, [("serving_default", {"weights": np.ones([4], "f")})])
    report = check_export(folder, with_comparison=True)
    assert len(report.faults) == 1 + runners.has_compiler()
    for fault in report.faults:
        assert "request 1, `serving_default`: `drawn` is not" in fault


def test_floats_may_differ_a_little_and_nothing_else():
    floats = np.array([1.0, np.nan, -np.inf, 0.0], "f")
    one = {"floats": floats, "texts": texts(b"a"), "ints": np.array([1])}
    near = floats + np.array([5e-6, 0, 0, 5e-6], "f")
    assert differences(one, one | {"floats": near}) == []
    assert differences(one, one | {"floats": floats + 1e-4}) == ["floats"]
    assert differences(one, one | {"floats": floats[:3]}) == ["floats"]
    assert differences(one, one | {"texts": texts(b"b")}) == ["texts"]
    assert differences(one, one | {"ints": np.array([1], "i")}) == ["ints"]
    assert differences(one, {"floats": floats, "ints": one["ints"]}) == [
        "texts"
    ]


@pytest.mark.parametrize(
    ("seconds", "ratio", "is_late"),
    [
        ([1.4, 1.0, 9.0, 0.9], "1.40", False),
        ([1.7, 1.0, 1.0, 1.0], "1.70", True),
        ([0.003, 0.001, 0.001, 0.001], "3.00", False),  # noise
        ([0.2, 0.001, 0.001, 0.001], "200.00", True),
    ],
)
def test_a_late_first_request_is_found(seconds, ratio, is_late):
    line, late = first_request(seconds)
    assert line.endswith(f": {ratio} times")
    assert late == is_late
