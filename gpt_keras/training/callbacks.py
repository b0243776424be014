"""What happens between the executions of `fit`: checks, samples, saves."""

import keras

from gpt_keras.training.run_log import RunLog
from gpt_keras.training.run_log import SilentLog
from gpt_keras.training.stepwise import Stepwise
from gpt_keras.training.stop_signals import StopSignals
from gpt_keras.training.telemetry import bits_per_byte


class Agreement(Stepwise):
    """Lets all hosts know of a signal that came to one of them.

    Args:
        stop: `StopSignals`.
    """

    def __init__(self, stop: StopSignals):
        super().__init__()
        self.stop = stop

    def at_step(self, step, logs):
        self.stop.agree()


class SkippedTooOften(ValueError):
    """More of the recent steps had to be left out than the user allows."""


class SkippedSteps(Stepwise):
    """Logs each step that was left out, and stops the run at too many.

    Args:
        log: Where to.
        most: Of the recent steps; one more stops the run.
        explain: Takes a step and the error's text, and returns a better one.
    """

    def __init__(
        self,
        log: RunLog | SilentLog,
        most: int,
        explain=lambda step, text: text,
    ):
        super().__init__()
        self.log, self.most, self.explain = log, most, explain
        self._step = self._skipped = 0

    def on_train_begin(self, logs=None):
        self._step = int(self.model.optimizer.iterations.numpy())
        self._skipped = int(self.model.step_state.num_skipped.numpy())

    def at_step(self, step, logs):
        skipped = int(logs["skipped_steps"])
        if skipped > self._skipped:
            self._tell(range(self._step + 1, step + 1), skipped)
        self._step, self._skipped = step, skipped

    def _tell(self, steps, skipped):
        state = self.model.step_state
        for step in steps:
            loss, norm, was_skipped = state.last(step)
            if was_skipped:
                self.log.write(
                    step, skipped_loss=loss, skipped_gradient_norm=norm
                )
                text = f"loss {loss:.4g}, gradient norm {norm:.4g}"
                self.log.tell(f"step {step} was left out: {text}")
                last = step, text
        recently = state.num_skipped_recently()
        if recently > self.most:
            step, text = last
            window = state.options.spike_window
            raise SkippedTooOften(
                self.explain(
                    step,
                    f"{recently} of the last {window} steps were left out, "
                    f"more than {self.most}; {skipped} in all. The last was "
                    f"step {step}: {text}",
                )
            )


class Validation(Stepwise):
    """Evaluates on the validation batches every `every` steps.

    A signal to stop breaks an evaluation off, which may take minutes:
    `catch_up` makes up for it when the run goes on.

    Args:
        log: Where the `val_loss` goes.
        every: Steps between two validations; 0 for the last step only.
        batches: Dataset of the contract triple.
        last_step: The run's last one.
        workload: For the bits per byte.
        save_best: Takes step and loss, keeps the weights if they are the
            best, and returns whether; None keeps none.
        stop: `StopSignals`, or None.
    """

    def __init__(
        self,
        log,
        every,
        batches,
        last_step,
        workload,
        save_best=None,
        stop=None,
    ):
        super().__init__()
        self.log, self.every = log, every
        self.batches, self.last_step = batches, last_step
        self.workload, self.save_best = workload, save_best
        self.stop = stop or StopSignals()

    def at_step(self, step, logs):
        if step == self.last_step or (self.every and step % self.every == 0):
            self._validate(step)

    def catch_up(self, model, step) -> None:
        """Evaluates a step that the run goes on from, if that was due."""
        self.set_model(model)
        self.at_step(step, {})

    def _validate(self, step):
        results = self.model.evaluate(
            self.batches,
            verbose=0,
            return_dict=True,
            callbacks=[_Interruption(self.stop)],
        )
        self.model.reset_metrics()  # the training mean starts anew
        if self.stop.received:
            return
        loss = float(results["loss"])
        is_best = self.save_best is not None and self.save_best(step, loss)
        self.log.write(  # at the end: what is logged isn't caught up on
            step,
            val_loss=loss,
            **bits_per_byte("val_bits_per_byte", loss, self.workload),
        )
        note = " (best)" if is_best else ""
        self.log.tell(f"step {step}: val_loss {loss:.4f}{note}")


class _Interruption(keras.callbacks.Callback):
    """Ends an evaluation once a signal to stop has come."""

    def __init__(self, stop):
        super().__init__()
        self.stop = stop

    def on_test_batch_end(self, batch, logs=None):
        self.stop.agree()
        if self.stop.received:
            self.model.stop_evaluating = True


class Samples(Stepwise):
    """Prints a text that the model writes every `every` steps.

    Args:
        log: Where the texts go, for TensorBoard.
        every: Steps between two texts.
        sample: Takes the model and returns the text.
        stop: `StopSignals`, or None.
    """

    def __init__(self, log, every, sample, stop=None):
        super().__init__()
        self.log, self.every, self.sample = log, every, sample
        self.stop = stop or StopSignals()

    def at_step(self, step, logs):
        if step % self.every or self.stop.received:
            return
        with self.model.averaged_weights():
            text = self.sample(self.model)
        self.log.write_text(step, "sample", text)
        self.log.tell(f"step {step}: sample\n{text}\n")


class Saving(Stepwise):
    """Saves every `every` steps, at the end, and when the run is to stop.

    After a signal to stop it saves at the end of the execution, and stops
    `fit`.

    Args:
        log: Is on the disk before a checkpoint that goes with it; is told
            why a run stopped.
        checkpoint: `TrainingCheckpoint`.
        every: Steps between two checkpoints; 0 for the last step only.
        last_step: The run's last one.
        seconds: Gives the run's time so far.
        stop: `StopSignals`, or None.
    """

    def __init__(self, log, checkpoint, every, last_step, seconds, stop=None):
        super().__init__()
        self.log = log
        self.checkpoint, self.every = checkpoint, every
        self.last_step, self.seconds = last_step, seconds
        self.stop = stop or StopSignals()

    def at_step(self, step, logs):
        due = self.every and step % self.every == 0
        if due or step == self.last_step or self.stop.received:
            self.log.sync()
            self.checkpoint.save(step, self.seconds())
        if step == self.last_step:
            self.model.stop_training = True
        if self.stop.received:
            self.model.stop_training = True
            self.log.tell(
                f"Stopped by {self.stop.received.name} and saved at step "
                f"{step}. The same command goes on from there."
            )
