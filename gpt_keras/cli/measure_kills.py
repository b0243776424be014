r"""Kills a training run many times and compares what it comes to, bit by bit.

    python -m tools.measure_kills
    python -m tools.measure_kills --kills=5 --kills_in_save=2 --replicas=1 \
        --optimizer=muon

It trains twice: once undisturbed, and once with a SIGKILL at random instants
of the start-up, the steps and the saves, with the same command after each.
Weights, averages, slots, seeds and logged losses must be the same at the end.
"""

import collections
import contextlib
import dataclasses
import glob
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli.run_comparison import compare
from gpt_keras.training.checkpoint import BEST
from gpt_keras.training.checkpoint import latest_step
from gpt_keras.training.model_folder import CHECKPOINTS
from gpt_keras.training.run_log import METRICS
from gpt_keras.training.run_log import read_metrics

CHECKPOINT_EVERY = 10
# A save of a model of this size takes long enough to be hit. Logs, saves and
# validations fall on different steps, so that a run goes on amid a mean.
TRAINING = (
    "--d_model=256",
    "--num_heads=4",
    "--dff=1024",
    "--num_layers=2",
    "--max_length=32",
    "--batch_size=8",
    "--microbatches=2",
    "--rate=0.2",
    "--ema_decay=0.99",
    "--warmup_steps=10",
    "--log_every=3",
    f"--checkpoint_every={CHECKPOINT_EVERY}",
    f"--validate_every={2 * CHECKPOINT_EVERY}",
    "--validation_batches=4",
    "--sample_every=0",
    "--peak_teraflops=1",  # else each start measures it
)
# Of the kills that aren't aimed at a save, so many hit the start-up, which
# takes longer than all the steps between two kills.
START_UPS = 0.25


def define_flags(values):
    """Defines the program's flags."""
    for name, default, least, meaning in (
        ("kills", 20, 1, "How many."),
        ("kills_in_save", 8, 0, "At least so many of them inside a save."),
        ("replicas", 2, 1, "Logical CPU devices to train on."),
        ("steps", 400, 1, "Of the run; it must outlive the kills."),
        ("seed", 0, 0, "Of the instants."),
    ):
        flags.DEFINE_integer(
            name, default, meaning, lower_bound=least, flag_values=values
        )
    flags.DEFINE_string("optimizer", "adamw", "Of the run.", flag_values=values)
    flags.DEFINE_multi_string(
        "train",
        [],
        "Another flag of tools.train: --train=--rate=0.1, several times.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "directory",
        None,
        "A new folder for both runs, which stay there; a temporary one by "
        "itself.",
        flag_values=values,
    )


def main(values):
    """Prints what was done and what differs; returns the exit status."""
    if values.directory and os.path.exists(values.directory):
        raise ValueError(
            "`directory` must not exist yet. Received: "
            f"directory={values.directory!r}"
        )
    folder = pathlib.Path(values.directory or tempfile.mkdtemp())
    whole, killed = (Run(folder / x, values) for x in ("whole", "killed"))
    pace = _train_whole(whole, values.steps)
    kills = _train_killed(killed, pace, values)
    counts, different = compare(whole.folder, killed.folder)
    places = collections.Counter(kill.place for kill in kills)
    _print_table(
        {
            "kills": len(kills),
            **{f"  {place}": places[place] for place in PLACES},
            **_traces(whole, killed, kills),
            **{f"{kind} compared": count for kind, count in counts.items()},
            "different": len(different),
        },
        different,
    )
    reached = places[IN_SAVE] >= values.kills_in_save
    if different or not reached or len(kills) < values.kills:
        print(f"what the programs printed: {whole.log} and {killed.log}")
        return 1
    if not values.directory:
        shutil.rmtree(folder)
    return 0


class Run:
    """A model folder, and the program that trains it.

    Args:
        folder: Of the model.
        values: The flags.
    """

    def __init__(self, folder, values):
        self.folder, self.log = folder, folder.with_suffix(".log")
        self._flags = [
            *TRAINING,
            f"--model_dir={folder}",
            f"--logical_cpus={values.replicas}",
            f"--steps={values.steps}",
            f"--optimizer={values.optimizer}",
            *values.train,
        ]

    @contextlib.contextmanager
    def started(self):
        """Starts the program, which doesn't outlive the context.

        Raises:
            ChildProcessError: It ended by an error.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        code = "from gpt_keras.cli import train; train.run()"
        paths = os.pathsep.join(map(os.path.abspath, sys.path))
        # Unbuffered: a kill must not swallow what was printed.
        more = {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *self._flags],
                env={**os.environ, **more},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
        if process.returncode not in (0, -signal.SIGKILL):
            raise ChildProcessError(
                f"The training ended with status {process.returncode}. What "
                f"it printed is in {str(self.log)!r}."
            )

    def lines(self) -> set[bytes]:
        """Returns the lines of the log of metrics."""
        path = self.folder / METRICS
        content = path.read_bytes() if path.exists() else b""
        return set(content.splitlines())

    def saved_files(self) -> set[str]:
        """Returns the files of all checkpoints, the unfinished too."""
        parent = self.folder / CHECKPOINTS
        return set(glob.glob("**/*.*", root_dir=parent, recursive=True))

    def temporary_files(self) -> set[str]:
        """Returns the files that TensorFlow removes at the end of a save."""
        parent = self.folder / CHECKPOINTS
        return {
            *glob.iglob(f"{parent}/*_temp/*"),
            *glob.iglob(f"{parent}/{BEST}/*_temp/*"),
        }


@dataclasses.dataclass(frozen=True)
class Pace:
    """Seconds of a run: until its first log line, of a step, of a save."""

    start_up: float
    step: float
    save: float


@dataclasses.dataclass(frozen=True)
class Kill:
    """What a kill hit, and how many steps it undid."""

    place: str
    steps_undone: int


IN_SAVE, IN_START_UP, ELSEWHERE = PLACES = (
    "inside a save",
    "before a step was logged",
    "at another instant",
)


def _train_whole(run: Run, steps: int) -> Pace:
    """Lets a run that is new come to its end."""
    saves = []
    begin = time.monotonic()
    with run.started() as process:
        _wait(process, run.lines, pause=0.02)
        start_up = time.monotonic() - begin
        while _wait(process, run.temporary_files):
            save = time.monotonic()
            _wait(process, lambda: not run.temporary_files())
            saves.append(time.monotonic() - save)
    step = (time.monotonic() - begin - start_up) / steps
    return Pace(start_up, step, statistics.median(saves or [0.0]))


def _train_killed(run: Run, pace: Pace, values) -> list[Kill]:
    """Kills a run as often as the flags say, and lets it come to its end."""
    rng = random.Random(values.seed)
    kills, in_save = [], 0
    while len(kills) < values.kills or in_save < values.kills_in_save:
        missing = values.kills_in_save - in_save
        left = max(values.kills - len(kills), missing)
        kill = _kill_once(run, pace, rng, rng.random() * left < missing)
        if kill is None:
            print(f"the run ended after {len(kills)} kills: more --steps")
            return kills
        kills.append(kill)
        in_save += kill.place == IN_SAVE
        print(
            f"kill {len(kills):2} {kill.place}: {kill.steps_undone} steps",
            flush=True,
        )
    with run.started() as process:
        process.wait()
    return kills


def _kill_once(run: Run, pace: Pace, rng, aim_at_save: bool) -> Kill | None:
    """Starts a run and kills it; returns None where it ended before."""
    lines, files = run.lines(), run.temporary_files()
    with run.started() as process:
        if not aim_at_save and rng.random() < START_UPS:
            time.sleep(rng.uniform(0, pace.start_up))
        else:
            _wait(process, lambda: run.lines() - lines, pause=0.02)
            _wait_amid_steps(process, run, files, pace, rng, aim_at_save)
        process.kill()
    if process.returncode == 0:
        return None
    if run.temporary_files() - files:  # the save was not through
        place = IN_SAVE
    else:
        place = ELSEWHERE if run.lines() - lines else IN_START_UP
    saved = latest_step(run.folder / CHECKPOINTS) or 0
    logged = [line["step"] for line in read_metrics(run.folder)]
    # In the start-up, what was logged before may not be cut back yet.
    undone = 0 if place == IN_START_UP else max(logged, default=0) - saved
    return Kill(place, max(undone, 0))


def _wait_amid_steps(process, run, files, pace, rng, aim_at_save) -> None:
    if not aim_at_save:
        time.sleep(rng.uniform(0, 2 * CHECKPOINT_EVERY * pace.step))
        return

    def saving():
        return run.temporary_files() - files

    for _ in range(rng.randrange(2)):  # saves that go well
        _wait(process, saving)
        _wait(process, lambda: not saving())
    while _wait(process, saving):
        time.sleep(rng.uniform(0, pace.save))
        if saving():  # else it was quicker
            return


def _wait(process, condition, pause: float = 2e-4) -> bool:
    """Waits for a condition; returns False where the process ends before."""
    while not condition():
        if process.poll() is not None:
            return False
        time.sleep(pause)
    return True


def _traces(whole: Run, killed: Run, kills) -> dict[str, int]:
    """Returns what the kills left behind, by name."""
    printed = killed.log.read_bytes()
    return {
        "files left over by kills": len(
            killed.saved_files() - whole.saved_files()
        ),
        "checkpoints passed over as damaged": printed.count(
            b"can't be read, passed over"
        ),
        "steps done twice, at least": sum(kill.steps_undone for kill in kills),
    }


def _print_table(rows: dict[str, int], different: list[str]) -> None:
    for name, count in rows.items():
        print(f"{name:40} {count:6}")
    for name in different[:20]:
        print(f"different: {name}")


def run():
    """Runs the program."""
    program.run(define_flags, main)
