"""The steps of a run in, lines of the log and their progress out."""

import dataclasses
import math
import time

from gpt_keras.progress import Progress
from gpt_keras.training.device_facts import peak_memory
from gpt_keras.training.run_log import RunLog
from gpt_keras.training.run_log import SilentLog
from gpt_keras.training.stepwise import Stepwise


@dataclasses.dataclass(frozen=True)
class Workload:
    """What a step has to do, for the figures of the log.

    Attributes:
        tokens: Of a global batch, without padding, on average.
        flops_per_token: The model's arithmetic, forward and backward.
        peak_flops: Operations per second of all devices together.
        bytes_per_token: UTF-8 bytes of text per token; None: not known.
    """

    tokens: float
    flops_per_token: float = 0.0
    peak_flops: float = math.inf
    bytes_per_token: float | None = None


class Telemetry(Stepwise):
    """Logs means and speeds of the steps since the last line.

    Args:
        log: Where to.
        every: Steps between two lines.
        last_step: The run's last one, which is logged in any case.
        workload: What a step has to do.
        seconds: What the run took before.
    """

    def __init__(
        self,
        log: RunLog | SilentLog,
        every: int,
        last_step: int,
        workload: Workload,
        seconds: float = 0.0,
    ):
        super().__init__()
        self.log, self.every, self.last_step = log, every, last_step
        self.workload = workload
        self._seconds_before = seconds
        self._started = self._execution_started = 0.0
        self._step = self._logged_step = self._skipped = 0
        self._seconds_in_steps = self._data_seconds = 0.0  # since the line
        self._means = []
        self._progress = Progress("training", is_silent=True)

    @property
    def seconds(self) -> float:
        """The run's time so far, earlier tries included."""
        return self._seconds_before + time.monotonic() - self._started

    def on_train_begin(self, logs=None):
        self._started = time.monotonic()
        self._step = int(self.model.optimizer.iterations.numpy())
        self._logged_step = self._step
        self._skipped = int(self.model.step_state.num_skipped.numpy())
        # The means since the last line, which `fit` sets to zero in a moment.
        self._means = [v.numpy() for v in self.model.metrics_variables]
        self._progress = Progress(
            "training",
            self.last_step,
            "steps",
            initial=self._step,
            delay=0,
            is_silent=self.log.is_silent,
        )

    def on_epoch_begin(self, epoch, logs=None):
        for variable, value in zip(
            self.model.metrics_variables, self._means, strict=True
        ):
            variable.assign(value)

    def on_train_batch_begin(self, batch, logs=None):
        self._execution_started = time.monotonic()

    def on_train_end(self, logs=None):
        self._progress.close()

    def at_step(self, step, logs):
        self._step = step
        # Waits for the device, so before the time is taken.
        self._data_seconds += float(logs.get("data_seconds", 0.0))
        is_due = step % self.every == 0 or step == self.last_step
        loss = float(logs["loss"]) if is_due else None
        self._seconds_in_steps += time.monotonic() - self._execution_started
        if not is_due:
            self._progress.show(step)
            return
        skipped = int(logs["skipped_steps"])
        if skipped - self._skipped == step - self._logged_step:
            loss = math.nan  # there is no step to take the mean of
        self._write(step, loss, logs)
        self._progress.show(step)
        self._skipped = skipped
        self._logged_step = step
        self._seconds_in_steps = self._data_seconds = 0.0
        self.model.reset_metrics()  # the next line has a mean of its own

    def _write(self, step, loss, logs):
        seconds = self._seconds_in_steps
        speed = (step - self._logged_step) * self.workload.tokens / seconds
        flops = speed * self.workload.flops_per_token
        values = {
            "loss": loss,
            **bits_per_byte("bits_per_byte", loss, self.workload),
            "gradient_norm": float(logs["gradient_norm"]),
            "learning_rate": float(self.model.optimizer.learning_rate),
            "tokens_per_second": speed,
            "model_flops_utilization": flops / self.workload.peak_flops,
            "data_wait_share": self._data_seconds / seconds,
            "peak_memory_bytes": peak_memory(),
            "skipped_steps": int(logs["skipped_steps"]),
        }
        self.log.write(step, **values, seconds=self.seconds)
        self._progress.note = ", ".join(
            f"{short}={format(values[name], form)}"
            for name, (short, form) in _SHORT.items()
            if name in values
        )


# What the progress has, how it is called there, and its format.
_SHORT = {
    "loss": ("loss", ".4f"),
    "tokens_per_second": ("tok/s", ",.0f"),
    "bits_per_byte": ("bpb", ".3f"),
    "gradient_norm": ("norm", ".2f"),
    "learning_rate": ("lr", ".1e"),
    "model_flops_utilization": ("mfu", ".0%"),
    "data_wait_share": ("wait", ".0%"),
    "peak_memory_bytes": ("bytes", ".1e"),
    "skipped_steps": ("skipped", "d"),
}


def bits_per_byte(name: str, loss: float, workload: Workload) -> dict:
    """Returns `{name: bits}` for a loss in nats per token, if it is known."""
    if workload.bytes_per_token is None:
        return {}
    return {name: loss / math.log(2) / workload.bytes_per_token}
