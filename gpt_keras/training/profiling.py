"""A range of steps in, a profiler trace of them for TensorBoard out."""

import pathlib

import keras
import tensorflow as tf

from gpt_keras.training.run_log import LOGS


class Profile(keras.callbacks.Callback):
    """Traces the steps of a run from one number to another.

    Args:
        folder: The model folder; the trace goes into its `logs/`.
        first_step: Steps that were done before.
        steps: The step to begin after, and the last one.
    """

    def __init__(self, folder, first_step: int, steps: tuple[int, int]):
        super().__init__()
        self._folder = str(pathlib.Path(folder) / LOGS)
        self._begin, self._end = steps
        self._is_over = first_step > self._begin
        self._is_on = False

    def on_train_batch_begin(self, batch, logs=None):
        if not self._is_over and not self._is_on and self._step >= self._begin:
            tf.profiler.experimental.start(self._folder)
            self._is_on = True

    def on_train_batch_end(self, batch, logs=None):
        if self._is_on and self._step >= self._end:
            self._stop()

    def on_train_end(self, logs=None):
        if self._is_on:
            self._stop()

    def _stop(self):
        tf.profiler.experimental.stop()
        self._is_on, self._is_over = False, True

    @property
    def _step(self) -> int:
        return int(self.model.optimizer.iterations.numpy())


def parse_range(text: str) -> tuple[int, int] | None:
    """Returns `(10, 20)` for `"10,20"`, and None for nothing.

    Raises:
        ValueError: It is not two numbers, the first at least 0 and smaller.
    """
    if not text:
        return None
    try:
        begin, end = map(int, text.split(","))
    except ValueError:
        begin, end = 1, 0
    if not 0 <= begin < end:
        raise ValueError(
            "A range of steps must be two numbers, the first one at least 0 "
            f"and less than the second: 10,20. Received: {text!r}"
        )
    return begin, end
