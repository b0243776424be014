"""Values by step in, `metrics.jsonl` and points for TensorBoard out."""

import json
import math
import pathlib

import tensorflow as tf


class RunLog:
    """`metrics.jsonl` and TensorBoard: one line and one point per event.

    Args:
        folder: The model folder.
        last_step: Of the checkpoint that the run goes on from; what was
            logged after it is cut off.
    """

    def __init__(self, folder, last_step: int):
        self._path = pathlib.Path(folder) / "metrics.jsonl"
        _cut_back(self._path, last_step)
        self._writer = tf.summary.create_file_writer(
            str(pathlib.Path(folder) / "logs")
        )

    def write(self, step: int, **values: float) -> None:
        """Writes the values of one step; JSON has null for NaN."""
        line = {
            name: value if math.isfinite(value) else None
            for name, value in values.items()
        }
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **line}) + "\n")
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def write_text(self, step: int, name: str, text: str) -> None:
        """Writes a text for TensorBoard."""
        with self._writer.as_default(step=step):
            tf.summary.text(name, text)
        self._writer.flush()


def read_metrics(folder) -> list[dict]:
    """Returns the lines of a model folder's `metrics.jsonl`."""
    path = pathlib.Path(folder) / "metrics.jsonl"
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break  # a kill cut the last line short
    return lines


def _cut_back(path: pathlib.Path, last_step: int) -> None:
    kept = [x for x in read_metrics(path.parent) if x["step"] <= last_step]
    text = "".join(json.dumps(line) + "\n" for line in kept)
    path.write_text(text, encoding="utf-8")
