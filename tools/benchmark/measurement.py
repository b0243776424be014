"""Suites in, the figures of their contenders out."""

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import time
from collections.abc import Callable

from tools.benchmark.programs.worker import parse_reply
from tools.benchmark.suites import TORCH
from tools.benchmark.suites import Contender
from tools.benchmark.suites import Suite

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Of what turns tell: which one stands for all.
_TOLD = {
    "val_loss": statistics.median,
    "seconds_of_all": statistics.median,
    "steps": statistics.median,
    "peak_bytes": max,
    "new_shape_seconds": max,
    "traces": max,
}
_PROGRAMS = pathlib.Path(__file__).parent / "programs"


class WorkerFailed(RuntimeError):
    """A program ended before it answered; the message is what it printed."""


class Worker:
    """The process of a contender, until `close`.

    Args:
        contender: Which.
        pythons: The path of each Python by its name.

    Attributes:
        facts: What the program told of itself.

    Raises:
        WorkerFailed: It could not be set up.
    """

    def __init__(self, contender: Contender, pythons: dict[str, str]):
        self._name = contender.name
        paths = []
        if contender.python != TORCH:  # which has nothing of this project
            paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        self._errors = os.memfd_create("errors")
        self._process = subprocess.Popen(
            [
                pythons[contender.python],
                str(_PROGRAMS / f"{contender.program}.py"),
                json.dumps(contender.options),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={
                **_without_ours(os.environ),
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "HF_HUB_OFFLINE": "1",
            },
        )
        self.facts = self._answer()

    def repeat(self) -> dict:
        """Has the work done once; returns its figures.

        Raises:
            WorkerFailed: The program ended.
        """
        return self._ask("repeat")

    def profile(self, folder: str) -> list:
        """Has the work done once, and a trace of it written to `folder`.

        Returns:
            `[kind of op, calls, seconds]`, the slowest first.

        Raises:
            WorkerFailed: The program ended.
        """
        return self._ask(f"profile {folder}")["ops"]

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        os.close(self._errors)

    def _ask(self, request):
        try:
            self._process.stdin.write(f"{request}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it printed says more
        return self._answer()

    def _answer(self):
        for line in self._process.stdout:
            if (reply := parse_reply(line)) is not None:
                return reply
        status = self._process.wait()
        size = os.fstat(self._errors).st_size
        printed = os.pread(self._errors, 3000, max(0, size - 3000))
        raise WorkerFailed(
            f"{self._name} ended with status {status}: "
            f"{printed.decode('utf-8', 'replace').strip()}"
        )


def _without_ours(environment):
    """What makes this program start at once is not for the measured ones."""
    return {
        name: value
        for name, value in environment.items()
        if name != "GPT_KERAS_CLIENT_ONLY"
    }


def measure(
    suite: Suite,
    pythons: dict[str, str],
    repeats: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, dict]:
    """Measures the contenders of a suite by turns.

    The first repeat of each, in which graphs are traced and compiled, is
    reported apart.

    Args:
        suite: What to measure.
        pythons: The path of each Python by its name. Contenders whose Python
            is not there are not run.
        repeats: Turns of each; as the suite says by default.
        say: Is told of every turn.

    Returns:
        By the contender's name: `"not_run"`, the reason; or `"facts"`,
        `"first_seconds"`, `"turns"`, the figures of each, and of these the
        medians: `"seconds"`, `"rate"` in units a second, what else they tell
        (`"val_loss"`, `"seconds_of_all"`, `"steps"`), and the largest
        `"peak_bytes"`, `"new_shape_seconds"` and `"traces"`; and `"mfu"` where
        the facts tell `"flops_per_unit"` and a `"peak_flops"`.
    """
    repeats = repeats or suite.repeats
    run = _by_turns if suite.together else _alone
    if not suite.warm:
        run = _once_each
    present, found = [], {}
    for contender in suite.contenders:
        if contender.missing:
            found[contender.name] = {"not_run": contender.missing}
        elif pythons.get(contender.python):
            present.append(contender)
        else:
            reason = f"there is no Python for it (--{contender.python}_python)"
            found[contender.name] = {"not_run": reason}
    measured = run(present, pythons, repeats, say)
    for contender in present:
        found[contender.name] = _summary(contender, *measured[contender.name])
    return {x.name: found[x.name] for x in suite.contenders}


def _by_turns(contenders, pythons, repeats, say):
    """Starts all, then has each do a turn after the other."""
    workers = {}
    try:
        firsts = {}
        for contender in contenders:
            worker = workers[contender.name] = Worker(contender, pythons)
            firsts[contender.name] = worker.repeat()
            say(f"{contender.name}: first {firsts[contender.name]}")
        turns = {name: [] for name in workers}
        for _ in range(repeats):
            for name, worker in workers.items():
                turns[name].append(worker.repeat())
                say(f"{name}: {turns[name][-1]}")
        return {
            name: (worker.facts, firsts[name], turns[name])
            for name, worker in workers.items()
        }
    finally:
        for worker in workers.values():
            worker.close()


def _alone(contenders, pythons, repeats, say):
    """Starts one process after the other, each anew for every round."""
    found = {}
    for _ in range(repeats):
        for contender in contenders:
            worker = Worker(contender, pythons)
            try:
                first, turn = worker.repeat(), worker.repeat()
            finally:
                worker.close()
            say(f"{contender.name}: {turn}")
            kept = found.setdefault(contender.name, (worker.facts, first, []))
            kept[2].append(turn)
    return found


def _once_each(contenders, pythons, repeats, say):
    """Starts one process after the other, each for a turn with its seed.

    `"seconds_of_all"` of a turn are those from the start of the process to
    its answer, without those that it gives as `"apart_seconds"`.
    """
    found = {}
    for seed in range(repeats):
        for contender in contenders:
            options = dict(contender.options, seed=seed)
            began = time.perf_counter()
            worker = Worker(
                dataclasses.replace(contender, options=options), pythons
            )
            try:
                turn = worker.repeat()
            finally:
                worker.close()
            of_all = time.perf_counter() - began
            turn["seconds_of_all"] = of_all - turn.get("apart_seconds", 0.0)
            say(f"{contender.name}: {turn}")
            kept = found.setdefault(contender.name, (worker.facts, turn, []))
            kept[2].append(turn)
    return found


def _summary(contender, facts, first, turns):
    per_unit = contender.options.get("tokens_per_unit", 1)
    rates = [x["units"] * per_unit / x["seconds"] for x in turns]
    told = {
        name: choose(x[name] for x in turns)
        for name, choose in _TOLD.items()
        if name in turns[0]
    }
    rate = statistics.median(rates)
    if facts.get("peak_flops"):
        told["mfu"] = rate * facts["flops_per_unit"] / facts["peak_flops"]
    return {
        **told,
        "facts": facts,
        "first_seconds": first["seconds"],
        "turns": turns,
        "seconds": statistics.median(x["seconds"] for x in turns),
        "rate": rate,
    }
