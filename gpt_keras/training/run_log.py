"""Values by step in, `metrics.jsonl` and points for TensorBoard out."""

import contextlib
import json
import math
import os
import pathlib
import time
from typing import Any

import tensorflow as tf
import tqdm

from gpt_keras.files import write_atomically

METRICS = "metrics.jsonl"
LOGS = "logs"  # the folder for TensorBoard


class SilentLog:
    """Stands for a `RunLog` on the hosts that don't write one."""

    is_silent = True

    def write(self, step: int, **values) -> None:
        pass

    def write_text(self, step: int, name: str, text: str) -> None:
        pass

    def tell(self, text: str) -> None:
        pass

    def sync(self) -> None:
        pass


class RunLog:
    """`metrics.jsonl` and TensorBoard: one line and one point per event.

    A kill loses nothing that was written. A power cut may lose the lines
    since the last `sync`: called before a checkpoint is saved, it keeps every
    line that the run won't write again.

    Args:
        folder: The model folder.
        last_step: Of the checkpoint that the run goes on from; what was
            logged after it is cut off, in TensorBoard too.

    Raises:
        OSError: A file can't be written, or the disk is full; the message
            names the file. The methods raise it as well.
    """

    is_silent = False

    def __init__(self, folder, last_step: int):
        self._path = pathlib.Path(folder) / METRICS
        self._logs = pathlib.Path(folder) / LOGS
        _cut_back(self._path, last_step)
        with _naming(self._logs):
            _purge_points(self._logs, last_step)
            self._writer = tf.summary.create_file_writer(str(self._logs))

    def write(self, step: int, **values) -> None:
        """Writes the values of one step.

        Args:
            step: The optimizer step.
            **values: What JSON can hold; a number that isn't finite becomes
                null. TensorBoard gets the numbers only.
        """
        line = {name: _finite(value) for name, value in values.items()}
        text = json.dumps({"step": step, **line}, allow_nan=False) + "\n"
        with _naming(self._path), open(self._path, "ab") as file:
            file.write(text.encode("utf-8"))
        with self._points(step):
            for name, value in values.items():
                if isinstance(value, int | float):
                    tf.summary.scalar(name, value)

    def write_text(self, step: int, name: str, text: str) -> None:
        """Writes a text for TensorBoard."""
        with self._points(step):
            tf.summary.text(name, text)

    def tell(self, text: str) -> None:
        """Prints a line beside the progress bar."""
        tqdm.tqdm.write(text)

    def sync(self) -> None:
        """Waits until the lines of `metrics.jsonl` are on the disk."""
        with _naming(self._path), open(self._path, "ab") as file:
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def _points(self, step):
        with _naming(self._logs):
            with self._writer.as_default(step=step):
                yield
            self._writer.flush()


def read_metrics(folder) -> list[dict]:
    """Returns the lines of a model folder's `metrics.jsonl`.

    What isn't a line of a `RunLog` is left out: the last line that a kill cut
    short, and any damaged one; those after it are kept.
    """
    path = pathlib.Path(folder) / METRICS
    if not path.exists():
        return []
    lines = map(_parse, path.read_bytes().split(b"\n"))
    return [line for line in lines if line is not None]


def logged(folder, name: str, last_step: int) -> dict[int, Any]:
    """Returns the values of a name by step, up to a step."""
    return {
        line["step"]: line[name]
        for line in read_metrics(folder)
        if name in line and line["step"] <= last_step
    }


def _parse(line: bytes) -> dict | None:
    try:
        values = json.loads(line.decode("utf-8"))
    except ValueError:  # not JSON, or not UTF-8
        return None
    is_line = isinstance(values, dict) and isinstance(values.get("step"), int)
    return values if is_line else None


def _finite(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _cut_back(path: pathlib.Path, last_step: int) -> None:
    kept = [x for x in read_metrics(path.parent) if x["step"] <= last_step]
    text = "".join(json.dumps(line) + "\n" for line in kept)
    with _naming(path):
        write_atomically(path, text)


def _purge_points(logs: pathlib.Path, last_step: int) -> None:
    """Tells TensorBoard to forget the points after a step, if it has any.

    It reads the event files of a folder in the order of their names, and
    drops the points from a START event's step on. That event's file must
    stand behind those that are there: it has the last one's name and a bit
    more. The first START that TensorBoard sees means nothing to it, so there
    are two.
    """
    names = sorted(path.name for path in logs.glob("*tfevents*"))
    if not names:
        return
    start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    events = (
        # As every file of events begins.
        {"file_version": "brain.Event:2"},
        {"step": last_step + 1, "session_log": start},
        {"step": last_step + 1, "session_log": start},
    )
    with tf.io.TFRecordWriter(str(logs / f"{names[-1]}.resumed")) as writer:
        for event in events:
            event = tf.compat.v1.Event(wall_time=time.time(), **event)
            writer.write(event.SerializeToString())


@contextlib.contextmanager
def _naming(path: pathlib.Path):
    """Gives an error of the system or of TensorFlow the path it concerns."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = error.message
        raise OSError(f"{str(path)!r} can't be written: {reason}") from error
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"{str(path)!r} can't be written: {reason}") from error
