"""What happens between the steps of `fit`: logs, validation, samples, saves.

Every callback counts optimizer steps of the whole run, a resumed one
included: `step` is what `fit` has done now plus what was done before.
"""

import signal
import sys
import time

import keras
import tqdm

from gpt_keras.training.run_log import RunLog


class _EveryStep(keras.callbacks.Callback):
    """Calls `at_step(step, logs)` after each step of a run."""

    def __init__(self, first_step: int):
        super().__init__()
        self.first_step = first_step

    def on_train_batch_end(self, batch, logs=None):
        self.at_step(self.first_step + batch + 1, logs)


class Telemetry(_EveryStep):
    """Logs the mean loss and the speed of the last `every` steps.

    Args:
        log: Where to.
        first_step: Steps that were done before.
        every: Steps between two lines.
        tokens_per_step: Of the global batch.
        last_step: The run's last one, which is logged in any case.
        seconds: What the run took before.
    """

    def __init__(
        self,
        log: RunLog,
        first_step: int,
        every: int,
        tokens_per_step: int,
        last_step: int,
        seconds: float = 0.0,
    ):
        super().__init__(first_step)
        self.log, self.every, self.last_step = log, every, last_step
        self.tokens_per_step = tokens_per_step
        self._seconds_before = seconds
        self._started = self._step_started = None
        self._steps, self._step_seconds = 0, 0.0  # since the last line
        self._means = []
        self._bar = None

    @property
    def seconds(self) -> float:
        """The run's time so far, earlier tries included."""
        return self._seconds_before + time.monotonic() - self._started

    def on_train_begin(self, logs=None):
        self._started = time.monotonic()
        # The means since the last line, which `fit` sets to zero in a moment.
        self._means = [v.numpy() for v in self.model.metrics_variables]
        self._bar = tqdm.tqdm(
            total=self.last_step,
            initial=self.first_step,
            unit="step",
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
        )

    def on_train_batch_begin(self, batch, logs=None):
        self._step_started = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        for variable, value in zip(
            self.model.metrics_variables, self._means, strict=True
        ):
            variable.assign(value)

    def on_train_end(self, logs=None):
        self._bar.close()

    def at_step(self, step, logs):
        self._bar.update(1)
        self._steps += 1
        is_due = step % self.every == 0 or step == self.last_step
        # Waits for the device, so before the time is taken.
        loss = float(logs["loss"]) if is_due else None
        self._step_seconds += time.monotonic() - self._step_started
        if not is_due:
            return
        speed = self._steps * self.tokens_per_step / self._step_seconds
        self.log.write(
            step,
            loss=loss,
            tokens_per_second=speed,
            learning_rate=float(self.model.optimizer.learning_rate),
            seconds=self.seconds,
        )
        self._bar.set_postfix(
            loss=f"{loss:.4f}", tokens_per_s=f"{speed:,.0f}", refresh=False
        )
        self._steps, self._step_seconds = 0, 0.0
        self.model.reset_metrics()  # the next line has a mean of its own


class Validation(_EveryStep):
    """Evaluates on the validation batches every `every` steps.

    Args:
        log: Where the `val_loss` goes.
        first_step: Steps that were done before.
        every: Steps between two validations; 0 for the last step only.
        batches: Dataset of the contract triple.
        last_step: The run's last one.
    """

    def __init__(self, log, first_step, every, batches, last_step):
        super().__init__(first_step)
        self.log, self.every = log, every
        self.batches, self.last_step = batches, last_step

    def at_step(self, step, logs):
        if step != self.last_step and (not self.every or step % self.every):
            return
        loss = self.model.evaluate(self.batches, verbose=0, return_dict=True)
        self.model.reset_metrics()  # the training mean starts anew
        self.log.write(step, val_loss=float(loss["loss"]))
        tqdm.tqdm.write(f"step {step}: val_loss {loss['loss']:.4f}")


class Samples(_EveryStep):
    """Prints a text that the model writes every `every` steps.

    Args:
        log: Where the texts go, for TensorBoard.
        first_step: Steps that were done before.
        every: Steps between two texts.
        sample: Takes the model and returns the text.
    """

    def __init__(self, log, first_step, every, sample):
        super().__init__(first_step)
        self.log, self.every, self.sample = log, every, sample

    def at_step(self, step, logs):
        if step % self.every:
            return
        text = self.sample(self.model)
        self.log.write_text(step, "sample", text)
        tqdm.tqdm.write(f"step {step}: sample\n{text}\n")


class Saving(_EveryStep):
    """Saves every `every` steps, at the end, and when the run is stopped.

    Ctrl-C and SIGTERM let the step end, save, and stop `fit`; a second one
    ends the process at once, at the last checkpoint.

    Args:
        checkpoint: `TrainingCheckpoint`.
        first_step: Steps that were done before.
        every: Steps between two checkpoints; 0 for the last step only.
        last_step: The run's last one.
        seconds: Gives the run's time so far.
    """

    def __init__(self, checkpoint, first_step, every, last_step, seconds):
        super().__init__(first_step)
        self.checkpoint, self.every = checkpoint, every
        self.last_step, self.seconds = last_step, seconds
        self.stopped_by: signal.Signals | None = None
        self._handlers = {}

    def on_train_begin(self, logs=None):
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._stop)

    def on_train_end(self, logs=None):
        self.restore_handlers()

    def at_step(self, step, logs):
        due = self.every and step % self.every == 0
        if due or step == self.last_step or self.stopped_by:
            self.checkpoint.save(step, self.seconds())
        if self.stopped_by:
            self.model.stop_training = True
            tqdm.tqdm.write(
                f"Stopped by {self.stopped_by.name} and saved at step {step}. "
                "The same command goes on from there."
            )

    def _stop(self, number, frame):
        self.stopped_by = signal.Signals(number)
        self.restore_handlers()

    def restore_handlers(self):
        """Gives the signals back to whom they were taken from."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
