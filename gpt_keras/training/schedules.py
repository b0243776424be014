"""A configuration in, the learning rate of each optimizer step out."""

import math

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="gpt_keras")
class WarmupAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0, the peak, and a decay to the minimum.

    Steps are those of the optimizer, counted from 0. Where warm-up and decay
    meet there is no step between them at the peak; after the decay the rate
    stays at the minimum. In float32, exact in the step up to 2²⁴.

    Args:
        peak: The rate after the warm-up.
        minimum: The rate after the decay.
        warmup_steps: The first step at the peak.
        decay_start: The last step at the peak.
        decay_steps: How many steps it takes from there to the minimum; 0: it
            stays at the peak.
        shape: Of the decay, `"cosine"` or `"linear"`.

    Call arguments:
        step: An integer, or a vector of them.

    Raises:
        ValueError: `peak` is not positive, or `shape` is another one.

    Reference:
        Loshchilov & Hutter 2017, §3 (cosine); Goyal et al. 2017, §2.2
        (warm-up).
    """

    def __init__(
        self,
        peak: float,
        minimum: float = 0.0,
        warmup_steps: int = 0,
        decay_start: int = 0,
        decay_steps: int = 0,
        shape: str = "cosine",
    ):
        super().__init__()
        if peak <= 0:
            raise ValueError(f"`peak` must be positive. Received: peak={peak}")
        if shape not in ("cosine", "linear"):
            raise ValueError(
                "`shape` must be 'cosine' or 'linear'. Received: "
                f"shape={shape!r}"
            )
        self.peak = peak
        self.minimum = minimum
        self.warmup_steps = warmup_steps
        self.decay_start = decay_start
        self.decay_steps = decay_steps
        self.shape = shape

    def __call__(self, step):
        step = ops.cast(step, "float32")
        warming = self.peak * (step / max(self.warmup_steps, 1))
        elapsed = ops.clip(step - self.decay_start, 0, self.decay_steps)
        alpha = self.minimum / self.peak
        decaying = self.peak * ((1 - alpha) * self._share(elapsed) + alpha)
        return ops.where(step < self.warmup_steps, warming, decaying)

    def _share(self, elapsed):
        """Returns which share of the decay is still to come, 1 to 0."""
        length = max(self.decay_steps, 1)
        if self.shape == "cosine":
            return 0.5 * (1 + ops.cos(math.pi * (elapsed / length)))
        return (length - elapsed) / length  # the difference is exact

    def get_config(self):
        return {
            "peak": self.peak,
            "minimum": self.minimum,
            "warmup_steps": self.warmup_steps,
            "decay_start": self.decay_start,
            "decay_steps": self.decay_steps,
            "shape": self.shape,
        }


def make_schedule(config) -> WarmupAndDecay:
    """Returns the schedule that a configuration names.

    A run of fewer steps than the warm-up ends within it.

    Args:
        config: `TrainConfig`. `schedule` is `"cosine"` or `"linear"`, both
            from the warm-up to the last step, `"constant"`, or `"trapezoid"`:
            constant, then linear over the last `decay_steps`.

    Reference:
        Hu et al. 2024, MiniCPM, §4 (warm-up, stable, decay); Hägele et al.
        2024, Scaling Laws and Compute-Optimal Training Beyond Fixed Training
        Durations, §3.
    """
    after_warmup = config.steps - config.warmup_steps
    decay_steps = max(after_warmup, 1)
    if config.schedule == "constant":
        decay_steps = 0
    elif config.schedule == "trapezoid":
        # A fifth of the run by default: from there on Hägele et al. 2024, §3,
        # find a cosine's loss; MiniCPM gets by with a tenth.
        decay_steps = config.decay_steps or min(
            max(config.steps // 5, 1), decay_steps
        )
    return WarmupAndDecay(
        peak=config.learning_rate,
        minimum=config.final_learning_rate,
        warmup_steps=config.warmup_steps,
        decay_start=config.steps - decay_steps,
        decay_steps=decay_steps,
        shape="cosine" if config.schedule == "cosine" else "linear",
    )


def same_until(config_a, config_b, step: int) -> bool:
    """Whether two configurations give the same rate up to a step.

    So a run can be continued with another number of steps while its decay
    has not begun.

    Args:
        config_a: `TrainConfig`.
        config_b: The other one.
        step: How many steps were taken: 0 to `step` - 1 are compared.
    """
    steps = np.arange(step)
    rates = [
        ops.convert_to_numpy(make_schedule(config)(steps))
        for config in (config_a, config_b)
    ]
    return np.array_equal(*rates)
