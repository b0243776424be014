"""A model and its optimizer in, checkpoints that survive a kill out.

A checkpoint holds all that steers the run: weights (of a model with adapters,
theirs alone) and their averages, optimizer slots, loss scale, dropout seeds,
the recent steps, the running means of the log, the step, the seconds so far and
the lowest validation loss.
"""

import math
import pathlib
import re
import shutil

import tensorflow as tf

from gpt_keras.layers.lora import adapters
from gpt_keras.layers.lora import base_weights

BEST = "best"
BASE = "base"
_NAME = "ckpt"
_AVERAGES = "averages"
_FIRST_AVERAGE = f"{_AVERAGES}/0/.ATTRIBUTES/VARIABLE_VALUE"
# What TensorFlow raises on a damaged or cut-off file, or another model's.
_UNREADABLE = (tf.errors.OpError, IndexError, AssertionError, ValueError)
_MODEL_VARIABLE = re.compile(r"model/(\d+)/\.ATTRIBUTES/VARIABLE_VALUE")
_STEP = re.compile(rf"{_NAME}-(\d+)\.index")
_DATA = re.compile(rf"{_NAME}-(\d+)\.data-")


class TrainingCheckpoint:
    """Saves and restores a training run in a folder.

    TensorFlow writes a checkpoint's index last, and checks every tensor
    against a checksum when it is read: a checkpoint cut short by a kill is
    not seen, and a damaged one is passed over.

    Args:
        directory: Where the checkpoints lie; made if need be. The weights of
            the lowest validation loss lie in `best/` below it, and the frozen
            ones of a model with adapters in `base/`.
        model: A built, compiled model.
        keep: How many checkpoints are kept.
        writes: Whether this host is the one that writes. The others take
            part in what it asks of them, and touch no file.
    """

    def __init__(self, directory, model, keep: int = 3, writes: bool = True):
        self.directory = pathlib.Path(directory)
        self.writes = writes
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self.best_loss = tf.Variable(
            math.inf, dtype=tf.float64, trainable=False
        )
        self._model = model
        # A metric's own variable has a part on each replica, which only all
        # hosts together can read.
        self._means = [
            tf.Variable(variable.numpy(), trainable=False)
            for variable in model.metrics_variables
        ]
        state = model.step_state
        self._checkpoint = tf.train.Checkpoint(
            model=_values(run_variables(model)),
            optimizer=_values(model.optimizer.variables),
            metrics=self._means,
            recent=[state.recent, state.num_skipped],
            step=self.step,
            seconds=self.seconds,
            best_loss=self.best_loss,
            **({_AVERAGES: state.averages} if state.averages else {}),
        )
        self._manager = _manager(self._checkpoint, self.directory, keep)
        self._best = _manager(
            tf.train.Checkpoint(model=_values(run_variables(model))),
            self.directory / BEST,
            keep=1,
        )

    @property
    def variables(self) -> list:
        """All that a checkpoint holds, and the frozen weights."""
        return [
            *self._model.variables,
            *self._model.optimizer.variables,
            *self._means,
            *self._model.step_state.variables,
            self.step,
            self.seconds,
            self.best_loss,
        ]

    def save(self, step: int, seconds: float) -> None:
        """Writes a checkpoint; the ones before it stay until it is whole.

        On several hosts all call it.

        Raises:
            OSError: The folder is not writable, or the disk is full. The last
                checkpoint is as it was.
        """
        self.step.assign(step)
        self.seconds.assign(seconds)
        _copy(self._model.metrics_variables, self._means)
        if self.writes:
            _save(self._manager, step)

    def save_best(self, step: int, loss: float) -> bool:
        """Writes the weights, if no validation loss was lower.

        Args:
            step: The optimizer's.
            loss: Validation loss of these weights, or a score with its sign
                turned. With averages, that is theirs, and they are written.

        Returns:
            Whether it is the lowest.

        Raises:
            OSError: As `save`.
        """
        if not loss < float(self.best_loss.numpy()):
            return False
        if self.writes:
            with self._model.averaged_weights():
                _save(self._best, step)
        self.best_loss.assign(loss)
        return True

    def recall_losses(self, losses) -> None:
        """Tells the validation losses that were logged before.

        The newest checkpoint may have been written before the last of them.
        """
        if latest_step(self.directory / BEST) is not None:
            known = float(self.best_loss.numpy())
            self.best_loss.assign(min([known, *losses]))

    def restore(self, warn=print) -> int:
        """Restores the newest checkpoint that is whole; returns its step.

        What kills left of saves is removed.

        Args:
            warn: Called with a line of text for each that is damaged.

        Returns:
            The step, 0 where there is no checkpoint.

        Raises:
            ValueError: There are checkpoints, and none can be read.
        """
        step = self.read(warn)
        self.restore_means()
        return step

    def read(self, warn=print) -> int:
        """Restores all but the log's running means.

        Of several hosts the chief does it alone; once the others have its
        `variables`, all call `restore_means`.

        Args:
            warn: As `restore`.

        Returns:
            As `restore`.

        Raises:
            ValueError: As `restore`.
        """
        for name in ("", BEST, BASE):
            _remove_unfinished(self.directory / name)
        return _read_newest(
            self.directory, lambda path: _read(path, self._checkpoint), warn
        )

    def restore_means(self) -> None:
        """Gives the log's running means the values of the checkpoint."""
        _copy(self._means, self._model.metrics_variables)


def restore_weights(directory, model, warn=print) -> int:
    """Reads a model's weights out of the newest whole training checkpoint.

    Where the run keeps averages of the weights, those. The seeds of dropout
    are left out, so it may be that the run had another rate, or none.

    Args:
        directory: The folder of the checkpoints.
        model: A built model of the same configuration, with adapters if the
            run has them; what is frozen then stays as it is.
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
            "been trained yet, or the folder isn't whole."
        )
    return _read_newest(
        directory, lambda path: _read(path, _weights(path, model)), warn
    )


def save_weights(directory, model) -> None:
    """Writes a model's weights, without adapters, as a checkpoint of step 0.

    Args:
        directory: Where to; made if need be.
        model: A built model.

    Raises:
        OSError: The folder is not writable, or the disk is full.
    """
    added = {id(variable) for variable in adapters(model)}
    variables = [v for v in model.variables if id(v) not in added]
    checkpoint = tf.train.Checkpoint(model=_values(variables))
    _save(_manager(checkpoint, pathlib.Path(directory), keep=1), 0)


def run_variables(model) -> list:
    """Returns what changes in a run: all variables that aren't frozen base."""
    if not adapters(model):
        return model.variables
    frozen = {id(weight) for weight in base_weights(model)}
    return [v for v in model.variables if id(v) not in frozen]


def latest_step(directory) -> int | None:
    """Returns the step of the newest checkpoint, None where there is none."""
    return max(_steps(directory), default=None)


def _copy(sources, targets) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.assign(source.numpy())


def _values(variables):
    """Returns the TensorFlow variables below Keras' own."""
    return [variable.value for variable in variables]


def _steps(directory) -> list[int]:
    names = (path.name for path in pathlib.Path(directory).glob("*.index"))
    return sorted(int(m[1]) for m in map(_STEP.fullmatch, names) if m)


def _path(directory, step: int) -> str:
    return str(pathlib.Path(directory) / f"{_NAME}-{step}")


def _remove_unfinished(directory) -> None:
    """Removes what a save leaves that was cut short."""
    for path in pathlib.Path(directory).glob(f"{_NAME}-*_temp"):
        shutil.rmtree(path, ignore_errors=True)


def _manager(checkpoint, directory, keep: int):
    return tf.train.CheckpointManager(
        checkpoint, str(directory), max_to_keep=keep, checkpoint_name=_NAME
    )


def _save(manager, step: int) -> None:
    try:
        manager.save(checkpoint_number=step)
    except tf.errors.OpError as error:
        directory = manager.directory
        raise OSError(
            f"The checkpoint of step {step} could not be written to "
            f"{directory!r}: {error.message}. "
            f"The last whole one is of step {latest_step(directory)}."
        ) from error


def _read(path: str, checkpoint) -> None:
    status = checkpoint.read(path)
    status.assert_existing_objects_matched().expect_partial()


def _steps_without_index(directory) -> list[int]:
    """Returns the steps of which only the data are there."""
    names = (path.name for path in pathlib.Path(directory).glob("*.data-*"))
    found = {int(m[1]) for m in map(_DATA.match, names) if m}
    return sorted(found - set(_steps(directory)))


def _weights(path: str, model):
    """Returns a checkpoint of a model's weights by the names of a file."""
    reader = tf.train.load_checkpoint(path)
    values = _values(model.trainable_variables)
    if reader.has_tensor(_FIRST_AVERAGE):
        return tf.train.Checkpoint(**{_AVERAGES: values})
    types = reader.get_variable_to_dtype_map()
    floating = (name for name in types if types[name].is_floating)
    found = map(_MODEL_VARIABLE.fullmatch, floating)
    numbers = sorted(int(match[1]) for match in found if match)
    names = map(str, numbers)
    return tf.train.Checkpoint(
        model=tf.train.Checkpoint(**dict(zip(names, values, strict=True)))
    )


def _read_newest(directory, read, warn) -> int:
    steps = _steps(directory)
    for step in _steps_without_index(directory):
        path = _path(directory, step)
        warn(f"Checkpoint {path!r} can't be read, passed over: no index")
    for step in reversed(steps):
        path = _path(directory, step)
        try:
            read(path)
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
