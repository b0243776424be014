"""A model in, the variables that its steps need beside the optimizer's out.

The averages of the weights, and a ring of the recent steps: what their loss
and gradient norm were, and whether they were left out.
"""

import tensorflow as tf

_GOOD, _SKIPPED = 1.0, 2.0  # 0: not there yet
# A standard deviation is taken for at least this share of the mean, so that a
# loss that stands still makes no rounding error a spike.
_LEAST_SPREAD = 0.01


class StepState:
    """Variables of a training run that the user has no name for.

    Make it in the scope of the model's strategy.

    Args:
        model: A built model.
        options: `StepOptions`.
    """

    def __init__(self, model, options):
        self.options = options
        self.recent = _variable(tf.zeros((options.spike_window, 3)))
        self.num_skipped = _variable(tf.constant(0, tf.int64))
        self.weights = model.trainable_weights if options.ema_decay else []
        self.averages = [_variable(weight.value) for weight in self.weights]

    @property
    def variables(self) -> list[tf.Variable]:
        """All of them, for a checkpoint."""
        return [self.recent, self.num_skipped, *self.averages]

    def accepts(self, loss, gradient_norm):
        """Returns whether a step is finite, and in the range of the recent.

        Args:
            loss: Of the global batch.
            gradient_norm: Of its gradient, before clipping.
        """
        values = tf.stack([loss, gradient_norm])
        accepted = tf.reduce_all(tf.math.is_finite(values))
        if not self.options.spike_sigmas:
            return accepted
        recent = tf.convert_to_tensor(self.recent)
        good = recent[:, 2:] == _GOOD
        count = tf.reduce_sum(tf.cast(good, tf.float32))
        # Chosen, not multiplied: those left out may be NaN.
        mean = _sum_where(good, recent[:, :2]) / tf.maximum(count, 1)
        square = _sum_where(good, tf.square(recent[:, :2] - mean))
        spread = tf.sqrt(square / tf.maximum(count, 1))
        spread = tf.maximum(spread, _LEAST_SPREAD * tf.abs(mean))
        low_enough = tf.reduce_all(
            values <= mean + self.options.spike_sigmas * spread
        )
        is_early = count * 2 < self.options.spike_window
        return accepted & (is_early | low_enough)

    def record(self, step, loss, gradient_norm, accepted):
        """Puts a step into the ring, in the place of one long past.

        Args:
            step: The optimizer's, before this step.
            loss: Of the global batch.
            gradient_norm: Of its gradient.
            accepted: Whether it was taken.
        """
        verdict = tf.where(accepted, _GOOD, _SKIPPED)
        row = tf.stack([loss, gradient_norm, verdict])
        places = tf.range(self.options.spike_window, dtype=tf.int64)
        here = places == tf.cast(step, tf.int64) % self.options.spike_window
        self.recent.assign(tf.where(here[:, None], row, self.recent))
        self.num_skipped.assign_add(1 - tf.cast(accepted, tf.int64))

    def update_averages(self, step):
        """Moves the averages towards the weights, after a step was taken."""
        if not self.averages:
            return
        taken = tf.cast(step, tf.float32)
        decay = tf.minimum(self.options.ema_decay, (1 + taken) / (10 + taken))
        strategy = tf.distribute.get_strategy()
        for average, weight in zip(self.averages, self.weights, strict=True):
            if strategy.num_replicas_in_sync == 1:
                _approach(average, weight.value, decay)
            else:
                strategy.extended.update(
                    average, _approach, args=(weight.value, decay)
                )

    def restart_averages(self):
        """Lets the averages begin with what the weights are now."""
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign(weight.value)

    def last_norm(self, step):
        """Returns the gradient norm of a recent step, in a graph.

        Args:
            step: Counted from 1.
        """
        place = (tf.cast(step, tf.int64) - 1) % self.options.spike_window
        return self.recent[place, 1]

    def last(self, step: int) -> tuple[float, float, bool]:
        """Returns loss, gradient norm and whether it was skipped.

        Args:
            step: One of the last `spike_window`, counted from 1.
        """
        row = self.recent.numpy()[(step - 1) % self.options.spike_window]
        return float(row[0]), float(row[1]), row[2] == _SKIPPED

    def num_skipped_recently(self) -> int:
        """How many of the recent steps were left out."""
        return int((self.recent.numpy()[:, 2] == _SKIPPED).sum())

    def exchange(self):
        """Puts the averages in the place of the weights, and these in theirs.

        Doing it twice gives back the same bits.
        """
        for average, weight in zip(self.averages, self.weights, strict=True):
            kept = weight.value.numpy()
            weight.value.assign(average)
            average.assign(kept)


def _sum_where(chosen, values):
    """Sums the rows of values `(steps, 2)` that are chosen `(steps, 1)`."""
    return tf.reduce_sum(tf.where(chosen, values, 0.0), 0)


def _variable(value) -> tf.Variable:
    return tf.Variable(value, trainable=False)


def _approach(average, weight, decay):
    decay = tf.cast(decay, average.dtype)
    average.assign_sub((average - weight) * (1 - decay))
