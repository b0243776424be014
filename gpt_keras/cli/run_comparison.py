"""Two runs' model folders in, what differs between them out, bit by bit."""

from typing import Any

import tensorflow as tf

from gpt_keras.training.checkpoint import BEST
from gpt_keras.training.model_folder import CHECKPOINTS
from gpt_keras.training.run_log import read_metrics

# What depends on the clock and the machine.
TIMES = {
    "tokens_per_second",
    "model_flops_utilization",
    "data_wait_share",
    "peak_memory_bytes",
    "seconds",
}
# The save counter says how often TensorFlow has saved, kills included.
UNCOMPARED = ("_CHECKPOINTABLE_OBJECT_GRAPH", "seconds", "save_counter")


def compare(first, second) -> tuple[dict[str, int], list[str]]:
    """Compares the last and best checkpoints and the logs of two runs.

    Args:
        first: A model folder.
        second: Another one.

    Returns:
        How many values there are, by their kind, and the names of those that
        differ.
    """
    counts, different = {}, []
    readers: dict[str, Any] = {
        "tensors of the last checkpoint": _last_tensors,
        "tensors of the best weights": _best_tensors,
        "figures of the log": _figures,
    }
    for kind, read in readers.items():
        one, other = read(first), read(second)
        counts[kind] = len(one)
        different += [
            f"{kind}: {name}"
            for name in sorted({*one, *other})
            if one.get(name) != other.get(name)
        ]
    return counts, different


def _last_tensors(folder) -> dict[str, tuple]:
    return _tensors(folder / CHECKPOINTS)


def _best_tensors(folder) -> dict[str, tuple]:
    return _tensors(folder / CHECKPOINTS / BEST)


def _tensors(directory) -> dict[str, tuple]:
    """Returns type, shape and bits by name."""
    reader = tf.train.load_checkpoint(str(directory))
    tensors = {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if not name.startswith(UNCOMPARED)
    }
    return {
        name: (value.dtype, value.shape, value.tobytes())
        for name, value in tensors.items()
    }


def _figures(folder) -> dict[str, list]:
    figures = {}
    for line in read_metrics(folder):
        for name in line.keys() - TIMES:
            key = f"{name} of step {line['step']}"
            figures.setdefault(key, []).append(line[name])
    return figures
