"""Tests of profiles, of requests that are new, and of curves of costs."""

import importlib
import itertools
import pathlib
import sys

import pytest

from tools.benchmark import cost_suites
from tools.benchmark import report
from tools.benchmark.measurement import measure
from tools.benchmark.profiles import profile
from tools.benchmark.suites import Contender
from tools.benchmark.suites import Suite
from tools.benchmark.suites import Target

ROOT = pathlib.Path(__file__).parents[2]
PROGRAMS = ROOT / "tools" / "benchmark" / "programs"
PROGRAM = f"""
import sys
sys.path.insert(0, {str(PROGRAMS)!r})
import worker

def make(options):
    calls = []
    def repeat():
        calls.append(1)
        traces = options["traces"] * (len(calls) == 2)
        return {{"units": 1, "traces": traces, "new_shape_seconds": len(calls)}}
    def profile(repeat, folder):
        repeat()
        return [("MatMul", len(calls), 0.5), (folder, 1, 0.1)]
    Program.profile = profile
    return {{}}, repeat

class Program:
    profile = None

worker.serve(make, (lambda *given: Program.profile(*given))
             if {{has}} else None)
"""
PYTHONS = {"here": sys.executable, "torch": None}
TINY = dict(d_model=16, num_heads=2, dff=32, num_layers=1, max_length=64)


@pytest.fixture
def contender(tmp_path):
    """Returns a function that makes one, with a profile or without."""

    def make(name, has=True, **options):
        path = tmp_path / f"program_{has}"
        code = PROGRAM.replace("{has}", str(has))
        path.with_suffix(".py").write_text(code)
        return Contender(name, str(path), {"traces": 0, **options})

    return make


@pytest.fixture
def programs(monkeypatch):
    """Returns a function that imports a program, as it finds the others."""
    monkeypatch.syspath_prepend(PROGRAMS)
    return importlib.import_module


def test_a_profile_is_of_a_turn_after_the_first(tmp_path, contender):
    absent = Contender("absent", "program", {}, missing="no folder")
    peer = Contender("peer", "program", {}, python="torch")
    ours, other = contender("ours, XLA"), contender("other", has=False)
    suite = Suite("s", "words", (ours, other, absent, peer))
    said = []
    found = profile(suite, PYTHONS, str(tmp_path / "a b"), said.append)
    place = str(tmp_path / "a b" / "s" / "ours_XLA")
    assert found == {"ours, XLA": [["MatMul", 2, 0.5], [place, 1, 0.1]]}
    assert said == [f"ours, XLA: profiled in {place}"]


def test_the_table_of_ops_has_all_time():
    ops = [("MatMul", 1000, 0.6), ("Mul", 2, 0.3), ("Add", 3, 0.1)]
    lines = report.ops_table("a", ops, most=1).splitlines()
    assert lines[2:] == [
        "| MatMul | 1,000 | 600.0 | 60.0% |",
        "| 2 others | 5 | 400.0 | 40.0% |",
    ]
    assert "others" not in report.ops_table("a", ops, most=3)


def _space(module, plane, events):
    """Returns an `XSpace` of `(name, its stats)`, a millisecond each."""
    space = module.xplane_pb2.XSpace()
    made = space.planes.add(name=plane)
    line = made.lines.add()
    for number, (name, stats) in enumerate(events, 1):
        made.event_metadata[number].name = name
        event = line.events.add(metadata_id=number, duration_ps=10**9)
        for key, (stat, value) in enumerate(stats.items(), 100 * number):
            made.stat_metadata[key].name = stat
            event.stats.add(metadata_id=key, str_value=value)
    return space


def test_ops_are_told_by_kind(programs):
    module = programs("op_profile")
    host = _space(
        module,
        "/host:CPU",
        [
            ("while/body/a/MatMul:MatMul", {}),
            ("b/MatMul_1:MatMul", {}),
            ("c:Mul", {}),
            ("MatMul_1.100", {"hlo_op": "MatMul_1.100"}),
            ("while.3", {"hlo_op": "while.3"}),
            ("ExecutorState::Process", {}),
            ("EagerExecute", {}),
        ],
    )
    assert module.op_times(host) == [("MatMul", 3, 3e-3), ("Mul", 1, 1e-3)]
    kernels = [("ampere_gemm", {"tf_op": "a/MatMul:MatMul"}), ("copy", {})]
    host.MergeFrom(_space(module, "/device:GPU:0", kernels))
    assert set(module.op_times(host)) == {
        ("MatMul", 1, 1e-3),
        ("copy", 1, 1e-3),
    }


def test_a_trace_is_written_and_read(programs, tmp_path):
    import tensorflow as tf

    module = programs("op_profile")
    work = tf.function(lambda x: x @ x @ x, autograph=False)
    work(tf.eye(8))
    other = tmp_path / "of before.xplane.pb"
    other.write_text("is not read")
    ops = module.profile(lambda: work(tf.eye(8)).numpy(), str(tmp_path))
    calls = {kind: count for kind, count, _ in ops}
    assert sum(n for kind, n in calls.items() if "MatMul" in kind) == 2
    assert all(seconds > 0 for _, _, seconds in ops)
    assert len(list(tmp_path.rglob("*.xplane.pb"))) == 2


def test_every_request_is_new_in_one_thing(programs):
    new_request = programs("new_requests").new_request
    requests = [new_request(number) for number in range(12)]
    changed = set()
    for before, after in itertools.pairwise(requests):
        names = {
            x for x in after._fields if getattr(before, x) != getattr(after, x)
        }
        changed.add(frozenset(names - {"seed"}))
    settings = frozenset({"temperature", "top_k", "top_p"})
    assert changed == {
        frozenset({"rows"}),
        frozenset({"prompt_tokens"}),
        settings,
    }
    assert len({x._replace(seed=0) for x in requests}) == 12


def test_new_requests_trace_nothing_again(programs):
    module = programs("settings_ours")
    model = dict(TINY, vocab_size=50, max_length=128)
    _, repeat = module.make({"model": model})
    turns = [repeat() for _ in range(4)]
    assert [turn["traces"] for turn in turns] == [1, 0, 0, 0]
    assert [turn["units"] for turn in turns] == [1, 1, 2, 2]
    first, *others = [turn["new_shape_seconds"] for turn in turns]
    assert max(others) < first


def test_characters_are_as_many_as_asked_for(programs):
    characters = programs("settings_ours")._characters(50_255)
    assert len(set(characters)) == 50_255
    characters.encode("utf-8")  # no surrogates


def test_the_worst_request_stands_for_all(contender):
    ours, other = contender("a", traces=1), contender("b")
    targets = (Target("a", "", 0.0, "traces"), Target("b", "", 0.0, "traces"))
    suite = Suite("s", "words", (ours, other), targets, repeats=3)
    found = measure(suite, PYTHONS)
    assert found["a"]["traces"] == 1 and found["a"]["new_shape_seconds"] == 4
    rows = report.verdicts(suite, found)
    assert [row["is_met"] for row in rows] == [False, True]
    table = report.table(suite, found)
    assert "| new request, s | traces again |" in table
    assert "| 4.00 | 1 |" in table
    del found["b"]["traces"]  # as a peer's, which doesn't know
    assert "| 4.00 |  |" in report.table(suite, found)


def test_time_after_the_first_token_is_without_the_prompt(programs):
    module = programs("decode_ours")
    options = dict(
        model=dict(TINY, vocab_size=51), rows=2, prompt_tokens=5, new_tokens=9
    )
    _, repeat = module.make(options)
    whole = repeat()
    assert whole["units"] == 18 and "seconds" not in whole
    _, repeat = module.make(dict(options, after_first=True))
    rest = repeat()
    assert rest["units"] == 16 and rest["seconds"] > 0
    assert rest["crc_of_tokens"] == whole["crc_of_tokens"]


def test_the_suites_name_programs_and_sizes():
    cost = cost_suites.cost()
    for suite in (cost, cost_suites.settings()):
        names = [contender.name for contender in suite.contenders]
        assert len(set(names)) == len(names)
        for contender in suite.contenders:
            assert (PROGRAMS / f"{contender.program}.py").exists()
        for target in suite.targets:
            assert {target.ours, target.peer} <= {"", *names}
    for contender in cost.contenders:
        options = contender.options
        size = int(contender.name.rpartition(" ")[2])
        if contender.program == "decode_ours":
            assert options["prompt_tokens"] == size
            used = size + options["new_tokens"]
            assert used <= options["model"]["max_length"]
        else:
            field, _ = contender.name.split()
            names = {"length": "max_length", "layers": "num_layers"}
            assert options["config"][names[field]] == size
            config = options["config"]
            tokens = config["max_length"] * config["batch_size"]
            assert options["steps"] * tokens == 4096


def test_curves_are_by_size(tmp_path):
    figures = {
        "length 64": {"seconds": 1.0, "steps": 10, "rate": 9.0},
        "length 128": {"seconds": 1.0, "steps": 5, "rate": 9.0},
        "length 256": {"not_run": "why"},
        "position, 124M, 50": {"seconds": 1.0, "rate": 20.0},
    }
    assert report.curves_of(figures) == {
        "length": ("step", [(64, 100.0), (128, 200.0)]),
        "position, 124M": ("token", [(50, 50.0)]),
    }
    for some in (figures, {}):
        report.draw_curves(tmp_path / "curves.png", some)
        content = (tmp_path / "curves.png").read_bytes()
        assert content.startswith(b"\x89PNG")
