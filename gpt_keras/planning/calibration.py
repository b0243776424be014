"""A configuration in, the seconds that its steps take on this machine out.

A few real steps of the model with few blocks, and with few rows where all
would take long, and a line through them: what a step takes beside the blocks,
for each block, for each row, and whatever the rows.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable

import tensorflow as tf

from gpt_keras.layers.lora import enable_lora
from gpt_keras.model import GPTModel
from gpt_keras.training.execution import Execution
from gpt_keras.training.execution import python_clock
from gpt_keras.training.optimizers import make_optimizer

# Blocks of the measured models. The more they are apart, the less an error of
# the measurement grows with the number of blocks; but each takes time to trace.
FEW_BLOCKS, SOME_BLOCKS = 1, 4
# Of a measured step, about: beyond that, it is one of fewer rows.
_LONGEST_STEP = 1.0
# Share of the peak that is taken to be reached, to choose the rows.
_GUESSED_SHARE = 0.5
_LEAST_EXECUTIONS = 3


@dataclasses.dataclass(frozen=True)
class Point:
    """A step that is measured: blocks, rows on the device, their parts."""

    num_layers: int
    rows: int
    microbatches: int = 1


def points(config, rows: int, flops_per_row: float, peak: float) -> list[Point]:
    """Returns which steps to measure for one of `rows` rows.

    Args:
        config: `TrainConfig`.
        rows: Of a microbatch.
        flops_per_row: The arithmetic of a row in the whole model.
        peak: Operations per second of this device.
    """
    blocks = [config.num_layers]
    if config.num_layers > SOME_BLOCKS:
        blocks = [FEW_BLOCKS, SOME_BLOCKS]
    share = max(blocks) / config.num_layers
    row_seconds = share * flops_per_row / (peak * _GUESSED_SHARE)
    most = max(2, int(_LONGEST_STEP / row_seconds))
    of_rows = [(rows, 1)]
    if rows > most:
        of_rows = [(max(1, most // 2), 1), (most, 1)]
    elif config.microbatches > 1:
        of_rows = [(rows, 1), (2 * rows, 2)]
    return [Point(x, *y) for x in blocks for y in of_rows]


def extrapolated(
    seconds: dict[Point, float], num_layers: int, rows: int
) -> float:
    """Returns the seconds of a step that may be larger than those measured.

    Linear in the blocks for each number of rows, and linear in the rows.

    Args:
        seconds: Of one or two numbers of blocks, with one or two of rows.
        num_layers: Of the whole model.
        rows: Of the whole step.
    """
    of_rows = {
        count: _line(
            {p.num_layers: s for p, s in seconds.items() if p.rows == count},
            num_layers,
        )
        for count in {point.rows for point in seconds}
    }
    return _line(of_rows, rows)


def _line(values: dict[int, float], place: int) -> float:
    """Returns where a line through one or two values is at a place."""
    if place in values or len(values) == 1:
        return values.get(place, *values.values())
    (x, y), (x_2, y_2) = sorted(values.items())
    slope = max(0.0, (y_2 - y) / (x_2 - x))  # noise must not point downwards
    return max(y + slope * (place - x), 0.0)


def step_seconds(
    config,
    point: Point,
    vocab_size: int,
    training_batches: Callable[..., tf.data.Dataset],
    seconds: float = 1.0,
) -> float:
    """Measures the median time of a step, as `training.trainer` takes it.

    Args:
        config: `TrainConfig` of the whole model.
        point: What is measured instead.
        vocab_size: Of the tokenizer.
        training_batches: Takes a configuration and a number of steps, and
            gives batches.
        seconds: To spend on steps; at least three executions are timed, and
            a first one, which traces, is not.
    """
    config = dataclasses.replace(
        config,
        num_layers=point.num_layers,
        batch_size=point.rows,
        microbatches=point.microbatches,
    )
    model = GPTModel(
        vocab_size,
        **config.model_arguments(),
        remat=config.remat,
        dtype=config.dtype,
    )
    model.build((None, config.max_length))
    if config.lora_rank:
        enable_lora(model, config.lora_rank, config.lora_alpha)
    model.compile(make_optimizer(config, model), **config.step_options())
    model.optimizer.build(model.trainable_variables)
    return _median_seconds(config, model, training_batches, seconds)


def _median_seconds(config, model, training_batches, seconds) -> float:
    most = config.steps_per_execution or config.spike_window
    last = 10**6
    execution = Execution(
        model,
        last,
        stops=(config.log_every,),
        most=min(most, config.spike_window),
        clock=python_clock if config.deterministic else tf.timestamp,
    )
    batches = iter(training_batches(config, last))
    execution(batches)
    found, end = [], time.monotonic() + seconds
    while len(found) < _LEAST_EXECUTIONS or time.monotonic() < end:
        before, start = _taken(model), time.perf_counter()
        float(execution(batches)["loss"])  # waits for the device
        elapsed = time.perf_counter() - start
        found.append(elapsed / (_taken(model) - before))
    return statistics.median(found)


def _taken(model) -> int:
    return int(model.optimizer.iterations.numpy())
