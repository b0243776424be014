r"""Trains on two hosts of this machine and kills one of them, many times.

    python -m tools.measure_hosts
    python -m tools.measure_hosts --kills=3 --train=--optimizer=muon

Two hosts are compared with one process: the losses must be the same but for
rounding. Then two hosts with dropout and averages train undisturbed, and once
more with a SIGKILL to one of them at random instants, the other one left to
find out, and the same commands after each. Weights, averages, slots, seeds and
logged losses must be the same at the end, bit by bit.
"""

import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli.run_comparison import compare
from gpt_keras.training.run_log import METRICS
from gpt_keras.training.run_log import read_metrics

HOSTS = 2
# Logs, saves and validations fall on different steps.
TRAINING = (
    "--d_model=64",
    "--num_heads=4",
    "--dff=256",
    "--num_layers=2",
    "--max_length=32",
    "--batch_size=8",
    "--warmup_steps=10",
    "--log_every=3",
    "--checkpoint_every=10",
    "--validate_every=20",
    "--validation_batches=4",
    "--sample_every=0",
    "--peak_teraflops=1",  # else each start measures it
)
DISTURBED = ("--rate=0.2", "--ema_decay=0.99", "--microbatches=2")
# Of the kills, so many hit the start-up.
START_UPS = 0.25
_PAUSE = 0.02
_CODE = "from gpt_keras.cli import train; train.run()"


def define_flags(values):
    """Defines the program's flags."""
    for name, default, least, meaning in (
        ("kills", 6, 1, "How many."),
        ("steps", 300, 1, "Of a run; it must outlive the kills."),
        ("seed", 0, 0, "Of the instants, and of who is killed."),
    ):
        flags.DEFINE_integer(
            name, default, meaning, lower_bound=least, flag_values=values
        )
    flags.DEFINE_multi_string(
        "train",
        [],
        "Another flag of tools.train: --train=--rate=0.1, several times.",
        flag_values=values,
    )


def main(values):
    """Prints what was done and what differs; returns the exit status."""
    folder = pathlib.Path(tempfile.mkdtemp())
    steps = f"--steps={values.steps}"
    plain = (*TRAINING, steps, "--rate=0", *values.train)
    one, two = (
        Job(folder / name, plain, count)
        for name, count in (("one", 1), ("two", HOSTS))
    )
    disturbed = (*TRAINING, steps, *DISTURBED, *values.train)
    whole, killed = (
        Job(folder / name, disturbed, HOSTS) for name in ("whole", "killed")
    )
    for job in (one, two):
        _finish(job)
    start_up, step = _pace(whole, values.steps)
    kills = _kill_often(killed, start_up, step, values)
    counts, different = compare(whole.folder, killed.folder)
    rows = {
        "losses of one process and of two hosts": len(_losses(one)),
        "largest difference of a loss": _largest_difference(one, two),
        "kills": len(kills),
        "  of the chief": sum(kill.host == 0 for kill in kills),
        "  before a step was logged": sum(kill.in_start_up for kill in kills),
        "longest until the other had ended, s": max(
            kill.seconds for kill in kills
        ),
        **{f"{kind} compared": count for kind, count in counts.items()},
        "different": len(different),
    }
    for name, value in rows.items():
        shown = value if isinstance(value, int) else f"{value:.2g}"
        print(f"{name:46} {shown:>8}")
    for name in different[:20]:
        print(f"different: {name}")
    if different or len(kills) < values.kills:
        print(f"what the programs printed: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


class Job:
    """A model folder, and the program that trains it on some hosts.

    Args:
        folder: Of the model.
        arguments: Flags of the training.
        count: The number of hosts; all on this machine.
        code: The program.

    Attributes:
        processes: Those that were started last.
    """

    processes: Sequence[subprocess.Popen] = ()

    def __init__(self, folder, arguments, count: int, code: str = _CODE):
        self.folder = folder
        self._arguments, self._count, self._code = arguments, count, code

    @contextlib.contextmanager
    def started(self):
        """Starts a process for each host; none outlives the context."""
        hosts = ",".join(_free_addresses(self._count))
        paths = os.pathsep.join(map(os.path.abspath, sys.path))
        environment = {**os.environ, "PYTHONPATH": paths}
        with contextlib.ExitStack() as stack:
            processes = []
            for index in range(self._count):
                log = self.folder.with_suffix(f".{index}.log")
                arguments = [f"--model_dir={self.folder}", *self._arguments]
                if self._count > 1:
                    arguments += [f"--hosts={hosts}", f"--host_index={index}"]
                process = subprocess.Popen(
                    [sys.executable, "-c", self._code, *arguments],
                    env=environment,
                    stdout=stack.enter_context(open(log, "ab")),
                    stderr=subprocess.STDOUT,
                )
                stack.callback(process.wait)
                stack.callback(process.kill)
                processes.append(process)
            self.processes = processes
            yield processes

    def lines(self) -> int:
        """Returns how many lines the log of metrics has."""
        path = self.folder / METRICS
        return path.read_bytes().count(b"\n") if path.exists() else 0


@dataclasses.dataclass(frozen=True)
class Kill:
    """Who was killed, when, and how long the others went on."""

    host: int
    in_start_up: bool
    seconds: float


def _free_addresses(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{x.getsockname()[1]}" for x in sockets]


def _finish(job: Job) -> None:
    with job.started() as processes:
        _wait_for_end(job, processes)


def _wait_for_end(job: Job, processes) -> None:
    statuses = [process.wait() for process in processes]
    if any(statuses):
        raise ChildProcessError(
            f"The hosts ended with {statuses}. What they printed is beside "
            f"{str(job.folder)!r}."
        )


def _pace(job: Job, steps: int) -> tuple[float, float]:
    """Lets a job come to its end; returns seconds of start-up and of a step."""
    begin = time.monotonic()
    with job.started() as processes:
        while not job.lines() and processes[0].poll() is None:
            time.sleep(_PAUSE)
        start_up = time.monotonic() - begin
        _wait_for_end(job, processes)
    return start_up, (time.monotonic() - begin - start_up) / steps


def _kill_often(job: Job, start_up: float, step: float, values) -> list[Kill]:
    """Kills hosts as often as the flags say, and lets the job end."""
    rng = random.Random(values.seed)
    kills = []
    while len(kills) < values.kills:
        kill = _kill_once(job, start_up, step, rng)
        if kill is None:
            print(f"the run ended after {len(kills)} kills: more --steps")
            return kills
        kills.append(kill)
        print(
            f"kill {len(kills):2} of host {kill.host}: the other ended "
            f"{kill.seconds:.1f} s later",
            flush=True,
        )
    _finish(job)
    return kills


def _kill_once(job: Job, start_up: float, step: float, rng) -> Kill | None:
    """Starts a job and kills a host; returns None where it ended before."""
    before, victim = job.lines(), rng.randrange(HOSTS)
    with job.started() as processes:
        if rng.random() < START_UPS:
            time.sleep(rng.uniform(0, start_up))
        else:
            # Cut back to the checkpoint at the start, the log grows again.
            _wait_for_lines(job, processes)
            time.sleep(rng.uniform(0, 20 * step))
        if processes[victim].poll() is not None:
            return None
        processes[victim].kill()
        killed = time.monotonic()
        logged = job.lines() > before
        statuses = [process.wait() for process in processes]
    if 0 in statuses:
        return None
    return Kill(victim, not logged, time.monotonic() - killed)


def _wait_for_lines(job: Job, processes) -> None:
    last = job.lines()
    while processes[0].poll() is None:
        time.sleep(_PAUSE)
        now = job.lines()
        if now > last:
            return
        last = now


def _losses(job: Job) -> dict[tuple[str, int], float]:
    return {
        (name, line["step"]): line[name]
        for line in read_metrics(job.folder)
        for name in ("loss", "val_loss")
        if name in line
    }


def _largest_difference(one: Job, other: Job) -> float:
    first, second = _losses(one), _losses(other)
    if first.keys() != second.keys():
        raise ValueError("The logs of both must have the same steps.")
    return max(abs(first[key] - second[key]) for key in first)


def run():
    """Runs the program."""
    program.run(define_flags, main)
