"""A model and its optimizer in, checkpoints that survive a kill out.

A checkpoint holds all that steers the run: weights, optimizer slots, dropout
seeds, the running means of the log, the step and the seconds so far.
"""

import pathlib
import re

import tensorflow as tf

_NAME = "ckpt"
# What TensorFlow raises on a damaged or cut-off file, or another model's.
_UNREADABLE = (tf.errors.OpError, IndexError, AssertionError, ValueError)
_STEP = re.compile(rf"{_NAME}-(\d+)\.index")


class TrainingCheckpoint:
    """Saves and restores a training run in a folder.

    TensorFlow writes a checkpoint's index last, and checks every tensor
    against a checksum when it is read: a checkpoint cut short by a kill is
    not seen, and a damaged one is passed over.

    Args:
        directory: Where the checkpoints lie; made if need be.
        model: A built, compiled model.
        keep: How many checkpoints are kept.
    """

    def __init__(self, directory, model, keep: int = 3):
        self.directory = pathlib.Path(directory)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._checkpoint = tf.train.Checkpoint(
            model=_values(model.variables),
            optimizer=_values(model.optimizer.variables),
            metrics=_values(model.metrics_variables),
            step=self.step,
            seconds=self.seconds,
        )
        self._manager = tf.train.CheckpointManager(
            self._checkpoint,
            str(self.directory),
            max_to_keep=keep,
            checkpoint_name=_NAME,
        )

    def save(self, step: int, seconds: float) -> None:
        """Writes a checkpoint; the ones before it stay until it is whole.

        Raises:
            OSError: The folder is not writable, or the disk is full. The last
                checkpoint is as it was.
        """
        self.step.assign(step)
        self.seconds.assign(seconds)
        try:
            self._manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            raise OSError(
                f"The checkpoint of step {step} could not be written to "
                f"{str(self.directory)!r}: {error.message}. "
                f"The last whole one is of step {latest_step(self.directory)}."
            ) from error

    def restore(self, warn=print) -> int:
        """Restores the newest checkpoint that is whole; returns its step.

        Args:
            warn: Called with a line of text for each that is damaged.

        Returns:
            The step, 0 where there is no checkpoint.

        Raises:
            ValueError: There are checkpoints, and none can be read.
        """
        return _read_newest(self.directory, self._checkpoint, warn)


def restore_weights(directory, model, warn=print) -> int:
    """Reads a model's weights out of the newest whole training checkpoint.

    Args:
        directory: The folder of the checkpoints.
        model: A built model of the same configuration.
        warn: Called with a line of text for each checkpoint that is damaged.

    Returns:
        The step it was written at.

    Raises:
        FileNotFoundError: There is no checkpoint.
        ValueError: None can be read.
    """
    if latest_step(directory) is None:
        raise FileNotFoundError(
            f"There is no checkpoint in {str(directory)!r}: the model has not "
            "been trained yet."
        )
    checkpoint = tf.train.Checkpoint(model=_values(model.variables))
    return _read_newest(directory, checkpoint, warn)


def latest_step(directory) -> int | None:
    """Returns the step of the newest checkpoint, None where there is none."""
    return max(_steps(directory), default=None)


def _values(variables):
    """Returns the TensorFlow variables below Keras' own."""
    return [variable.value for variable in variables]


def _steps(directory) -> list[int]:
    names = (path.name for path in pathlib.Path(directory).glob("*.index"))
    return sorted(int(m[1]) for m in map(_STEP.fullmatch, names) if m)


def _read_newest(directory, checkpoint, warn) -> int:
    steps = _steps(directory)
    for step in reversed(steps):
        path = str(pathlib.Path(directory) / f"{_NAME}-{step}")
        try:
            status = checkpoint.read(path)
            status.assert_existing_objects_matched().expect_partial()
            return step
        except _UNREADABLE as error:
            reason = str(error).splitlines()[0]
            warn(f"Checkpoint {path!r} can't be read, passed over: {reason}")
    if steps:
        raise ValueError(
            f"No checkpoint in {str(directory)!r} can be read. Received: "
            f"those of steps {steps}, each damaged or of another model."
        )
    return 0
