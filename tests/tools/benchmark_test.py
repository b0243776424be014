"""Tests of how contenders are measured, on programs that need no library."""

import dataclasses
import importlib.util
import math
import pathlib
import sys

import numpy as np
import pytest

from tools.benchmark import decode_suites
from tools.benchmark import report
from tools.benchmark import suites
from tools.benchmark.measurement import WorkerFailed
from tools.benchmark.measurement import measure
from tools.benchmark.programs import gpu
from tools.benchmark.programs import worker
from tools.benchmark.suites import Contender
from tools.benchmark.suites import Suite
from tools.benchmark.suites import Target

ROOT = pathlib.Path(__file__).parents[2]
PROGRAMS = ROOT / "tools" / "benchmark" / "programs"
PROGRAM = f"""
import sys
import time
sys.path.insert(0, {str(PROGRAMS)!r})
import worker

def make(options):
    print("something else")
    calls = []
    def repeat():
        calls.append(1)
        if len(calls) == options.get("fails_at"):
            raise ValueError("no more of this")
        with open(options["log"], "a") as file:
            file.write(options["name"])
        time.sleep(options["seconds"])
        seed = options.get("seed")
        extra = {{"seed": seed, "val_loss": 1.5, "apart_seconds": 0.1}}
        return {{"units": 10, **extra, **options.get("own", {{}})}}
    return {{"version": 1, **options.get("facts", {{}})}}, repeat

worker.serve(make)
"""
PYTHONS = {"here": sys.executable, "torch": None}


@pytest.fixture
def contender(tmp_path):
    """Returns a function that makes one; its turns are written to `log`."""
    (tmp_path / "program.py").write_text(PROGRAM)

    def make(name, seconds=0.0, **options):
        options |= {"log": str(tmp_path / "log"), "name": name}
        options["seconds"] = seconds
        return Contender(name, str(tmp_path / "program"), options)

    return make


def _log(tmp_path):
    return (tmp_path / "log").read_text()


def test_contenders_take_turns(tmp_path, contender):
    suite = Suite("s", "words", (contender("a"), contender("b")), repeats=3)
    found = measure(suite, PYTHONS)
    assert _log(tmp_path) == "ab" * 4  # the first is apart
    assert [len(x["turns"]) for x in found.values()] == [3, 3]
    assert found["a"]["facts"]["version"] == 1
    assert found["a"]["peak_bytes"] > 1e6


def test_alone_each_round_has_new_processes(tmp_path, contender):
    suite = Suite(
        "s", "words", (contender("a"), contender("b")), together=False
    )
    found = measure(suite, PYTHONS, repeats=2)
    assert _log(tmp_path) == "aabb" * 2
    assert [len(x["turns"]) for x in found.values()] == [2, 2]


def test_a_process_for_each_turn_is_told_its_seed(tmp_path, contender):
    suite = Suite("s", "runs", (contender("a"),), together=False, warm=False)
    found = measure(suite, PYTHONS, repeats=3)
    assert _log(tmp_path) == "aaa"
    turns = found["a"]["turns"]
    assert [turn["seed"] for turn in turns] == [0, 1, 2]
    # Of the start too, and without what a program says is apart.
    for turn in turns:
        assert turn["seconds"] < turn["seconds_of_all"] + turn["apart_seconds"]
    assert found["a"]["val_loss"] == 1.5
    assert "1.5000" in report.table(suite, found)


def test_a_target_may_be_a_figure_of_ours_alone():
    targets = (
        Target("a", "", 2.0, "val_loss"),
        Target("a", "", 1.0, "val_loss"),
    )
    suite = Suite("s", "runs", (), targets)
    rows = report.verdicts(suite, {"a": {"val_loss": 1.5}})
    assert [row["is_met"] for row in rows] == [True, False]
    assert rows[0]["reached"] == 1.5
    assert "1.50 |" in report.verdict_table(rows)


def test_all_labels_of_a_text_come_once(tmp_path):
    path = tmp_path / "text"
    path.write_text("abcä" * 25, "utf-8")
    train, validation, vocab_size = worker.characters(str(path))
    assert len(train) == 90 and len(validation) == 10 and vocab_size == 4
    assert train[:5].tolist() == [0, 1, 2, 3, 0]
    inputs, labels = worker.windows(train, 11)
    assert inputs.shape == labels.shape == (8, 11)
    assert labels.ravel().tolist() == train[1:89].tolist()
    assert inputs.ravel().tolist() == train[:88].tolist()


def test_ratios_and_targets(contender):
    slow, fast = contender("slow", 0.2), contender("fast")
    suite = Suite(
        "s",
        "words",
        (slow, fast),
        (Target("fast", "slow", 2.0), Target("slow", "fast", 0.5)),
        repeats=1,
    )
    found = measure(suite, PYTHONS)
    rows = report.verdicts(suite, found)
    assert [row["is_met"] for row in rows] == [True, False]
    assert rows[0]["reached"] == pytest.approx(1 / rows[1]["reached"])
    assert found["slow"]["rate"] <= 50
    assert "missed" in report.verdict_table(rows)


def test_less_memory_meets_a_target():
    suite = Suite("s", "words", (), (Target("a", "b", 0.5, "peak_bytes"),))
    found = {"a": {"peak_bytes": 4}, "b": {"peak_bytes": 10}}
    assert report.verdicts(suite, found)[0]["is_met"]
    found["a"]["peak_bytes"] = 6
    assert not report.verdicts(suite, found)[0]["is_met"]


def test_what_is_not_there_is_said_not_to_have_been_run(contender):
    peer = Contender("peer", "program", {}, python="torch")
    absent = Contender("absent", "program", {}, missing="no folder")
    target = Target("a", "peer", 1.0)
    suite = Suite("s", "words", (contender("a"), peer, absent), (target,))
    found = measure(suite, PYTHONS, repeats=1)
    assert list(found) == ["a", "peer", "absent"]
    assert "--torch_python" in found["peer"]["not_run"]
    assert found["absent"]["not_run"] == "no folder"
    (row,) = report.verdicts(suite, found)
    assert row["reached"] is None and row["is_met"] is None
    assert "not run: no folder" in report.table(suite, found)


def test_a_program_that_fails_tells_why(contender):
    suite = Suite("s", "words", (contender("a", fails_at=2),), repeats=3)
    with pytest.raises(
        WorkerFailed, match="(?s)a ended with status 1.*no more"
    ):
        measure(suite, PYTHONS)


def test_a_program_may_tell_of_other_memory_and_what_a_gpu_could_do(contender):
    facts = {"flops_per_unit": 3, "peak_flops": 1000}
    one = contender("a", 0.1, facts=facts, own={"peak_bytes": 7})
    target = Target("a", "", 0.2, "mfu")
    suite = Suite("s", "words", (one,), (target,), repeats=1)
    found = measure(suite, PYTHONS)
    assert found["a"]["peak_bytes"] == 7
    mfu = found["a"]["mfu"]
    assert mfu == pytest.approx(found["a"]["rate"] * 3 / 1000)
    (row,) = report.verdicts(suite, found)
    assert target.more_is_better and row["is_met"] == (mfu >= 0.2)
    assert "| mfu | ≥ 0.2 |" in report.verdict_table([row])
    assert "| MFU |" in report.table(suite, found)
    del found["a"]["mfu"]  # of a GPU that is not known
    assert report.verdicts(suite, found)[0]["is_met"] is None


def test_operations_are_counted_as_nanogpt_does():
    config = dict(num_layers=12, d_model=768, max_length=1024)
    facts = gpu.flops_facts("NVIDIA H200", 124_000_000, config)
    assert facts["flops_per_unit"] == 6 * 124e6 + 12 * 12 * 12 * 64 * 1024
    assert facts["peak_flops"] == 989e12
    assert gpu.flops_facts("cpu", 1, config)["peak_flops"] is None


def test_without_a_gpu_nothing_is_started(monkeypatch):
    monkeypatch.setattr(suites, "has_gpu", lambda: False)
    suite = suites.train_gpu("folder", batch_size=32)
    found = measure(suite, {"torch": "absent", "jax": "absent"})
    assert {x["not_run"] for x in found.values()} == {"no GPU"}


def test_without_tensorflow_its_contenders_are_not_started(monkeypatch):
    monkeypatch.setattr(suites, "has_gpu", lambda: True)
    monkeypatch.setattr(suites, "find_spec", lambda name: None)
    missing = {x.name: x.missing for x in suites.train_gpu("folder").contenders}
    assert missing.pop("gpt_keras, TensorFlow") == "no TensorFlow"
    assert missing.pop("gpt_keras, TensorFlow, XLA") == "no TensorFlow"
    assert set(missing.values()) == {""}


needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="there is no JAX"
)


@needs_jax
@pytest.mark.parametrize("chunk_tokens", [0, 4])
def test_the_loss_of_jax_has_the_gradients_of_its_formula(chunk_tokens):
    import jax

    from tools.benchmark.programs.jax_loss import mean_loss

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 8)).astype(np.float32)
    kernel = rng.normal(size=(50, 8)).astype(np.float32) * 3
    labels = rng.integers(0, 50, 12)

    def plain(rows, kernel):
        log_odds = jax.nn.log_softmax(rows @ kernel.T)
        return -log_odds[np.arange(12), labels].mean()

    def ours(rows, kernel):
        return mean_loss(rows, kernel, labels, chunk_tokens)

    expected, wanted = jax.value_and_grad(plain, (0, 1))(rows, kernel)
    loss, gradients = jax.value_and_grad(ours, (0, 1))(rows, kernel)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    for made, right in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(made, right, rtol=1e-4, atol=1e-6)


@needs_jax
@pytest.mark.parametrize("chunk_tokens", [0, 16])
def test_the_program_of_jax_trains_on_a_cpu_too(chunk_tokens):
    config = dict(
        d_model=16,
        num_heads=2,
        dff=32,
        num_layers=2,
        max_length=16,
        batch_size=4,
        position="learned",
        tie_embeddings=True,
        dtype="mixed_bfloat16",
    )
    options = dict(
        vocab_size=50, steps=2, config=config, chunk_tokens=chunk_tokens
    )
    ours = Contender("ours", "train_jax", options, suites.JAX)
    suite = Suite("s", "tokens", (ours,), repeats=1)
    found = measure(suite, {suites.JAX: sys.executable})["ours"]
    assert found["turns"][0]["units"] == 2 * 4 * 16
    assert found["turns"][0]["loss"] == pytest.approx(math.log(50), abs=0.1)


def test_the_suites_name_programs_that_are_there():
    made = [
        suites.train_small("folder"),
        suites.time_to_loss("folder", "text"),
        suites.train_gpt2("folder"),
        suites.train_gpt2("folder", "float32"),
        suites.train_gpu("folder"),
        suites.train_gpu("folder", 32),
        decode_suites.decode(1),
        decode_suites.decode_xla(8),
        decode_suites.decode_faster(),
        decode_suites.prefill(),
        decode_suites.long_text(),
        decode_suites.memory_bandwidth(),
        suites.tokenizer("*.txt", 1, "folder"),
        suites.data(),
    ]
    for suite in made:
        names = [contender.name for contender in suite.contenders]
        assert len(set(names)) == len(names)
        for contender in suite.contenders:
            assert (PROGRAMS / f"{contender.program}.py").exists()
        for target in suite.targets:
            assert {target.ours, target.peer} <= {"", *names}


def test_both_tokenizers_do_the_same_work(tmp_path):
    texts = ["one text of words, and words", "another text of words"]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(20 * text)
    suite = suites.tokenizer(str(tmp_path / "*.txt"), 980, str(tmp_path / "t"))
    contenders = [
        dataclasses.replace(x, options=dict(x.options, vocab_size=270))
        for x in suite.contenders
    ]
    suite = dataclasses.replace(suite, contenders=tuple(contenders))
    found = measure(suite, PYTHONS, repeats=1)
    ours, theirs = (x["turns"][0]["tokens"] for x in found.values())
    assert ours == theirs + len(texts)  # a document ends with a token


def test_xla_writes_what_the_decoder_writes():
    model = dict(d_model=32, num_heads=4, dff=64, num_layers=2)
    model |= dict(vocab_size=97, max_length=64, position="learned")
    options = dict(model=model, rows=2, prompt_tokens=8, new_tokens=4)
    names = "decode_ours", "decode_xla_ours"
    contenders = tuple(Contender(name, name, options) for name in names)
    found = measure(Suite("s", "tokens", contenders), PYTHONS, repeats=1)
    (plain,), (compiled,) = (x["turns"] for x in found.values())
    assert plain["units"] == compiled["units"] == 8
    assert len(set(plain["first_tokens"])) > 1
    assert plain["first_tokens"] == compiled["first_tokens"]


def test_the_picture(tmp_path):
    absent = {"not_run": "why"}
    found = {"s": {"a": {"rate": 1.0}, "b": absent}, "none": {"a": absent}}
    assert report.rates_of(found) == {"s": {"a": 1.0}}
    report.draw(tmp_path / "bars.png", found)
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
    report.draw(tmp_path / "nothing.png", {"none": {"a": absent}})
