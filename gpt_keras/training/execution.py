"""A model and where to stop in, a train function of several steps out.

Between two visits to Python, `fit` may take many optimizer steps: small
models spend half of their time there. Which steps are taken together changes
nothing in what they compute.
"""

import time

import tensorflow as tf

from gpt_keras.training.hosts import Hosts


def python_clock():
    """Returns seconds in a graph, where determinism forbids `tf.timestamp`."""
    return tf.ensure_shape(
        tf.numpy_function(time.monotonic, [], tf.float64), ()
    )


class Execution:
    """A `train_function` for `fit`: `model.train_function = Execution(…)`.

    An execution ends at the next multiple of every number in `stops`, at the
    last step, and once `seconds` have passed, so that a signal is seen soon.

    Args:
        model: A compiled `GPTModel`, its optimizer built.
        last_step: Of the run.
        stops: Every so many steps Python has something to do; 0 counts as
            never.
        at: Single steps to stop at.
        most: Steps in an execution at most.
        seconds: After these no other step is begun.
        clock: Gives the seconds since some time, as a tensor. TensorFlow has
            none where operations must be deterministic: `python_clock` then.
        hosts: Of the run. Several take the same number of steps together:
            as many as fitted into `seconds` last time.
    """

    def __init__(
        self,
        model,
        last_step: int,
        stops=(),
        at=(),
        most: int = 1,
        seconds: float = 0.5,
        clock=tf.timestamp,
        hosts: Hosts | None = None,
    ):
        self._model, self._last_step = model, last_step
        self._stops = [number for number in stops if number]
        self._at, self._most, self._seconds = at, most, seconds
        self._clock = clock
        self._hosts = hosts if hosts is not None and hosts.count > 1 else None
        self._fitting = 1
        self._execute = tf.function(self._steps, autograph=False)

    def __call__(self, iterator):
        """Takes some steps; returns the logs of the last one.

        `data_seconds` among them is the time that was spent on waiting for
        batches.
        """
        step = int(self._model.optimizer.iterations.numpy())
        count = self.next_count(step)
        if self._hosts is None:
            return self._execute(iterator, tf.constant(count))
        return self._execute_together(iterator, min(count, self._fitting))

    def next_count(self, step: int) -> int:
        """Returns how many steps may follow `step` in one execution."""
        ends = [self._last_step, step + self._most]
        ends += [(step // every + 1) * every for every in self._stops]
        ends += [stop for stop in self._at if stop > step]
        return min(ends) - step

    def _execute_together(self, iterator, count: int):
        """Takes `count` steps, which all hosts know, however long it takes."""
        started = time.monotonic()
        logs = self._execute(iterator, tf.constant(count))
        float(logs["data_seconds"])  # waits for the device
        micros = int((time.monotonic() - started) * 1e6)
        assert self._hosts is not None  # or nobody would call it
        seconds = self._hosts.largest(max(1, micros)) / 1e6
        self._fitting = max(1, int(count * self._seconds / seconds))
        return logs

    def _steps(self, iterator, count):
        started = self._clock()

        def goes_on(taken, waited):
            if self._hosts is not None:  # their clocks may differ
                return taken < count
            in_time = self._clock() - started < self._seconds
            return (taken < count) & (in_time | (taken == 0))

        def take(taken, waited):
            return taken + 1, waited + self._step(iterator)

        # One step goes through the loop too: out of it, TensorFlow might fuse
        # other operations and round otherwise.
        zero = tf.constant(0.0, tf.float64)
        _, waited = tf.while_loop(
            goes_on, take, (0, zero), parallel_iterations=1
        )
        state, optimizer = self._model.step_state, self._model.optimizer
        return {
            **self._model.get_metrics_result(),
            "gradient_norm": state.last_norm(optimizer.iterations),
            "skipped_steps": state.num_skipped,
            "data_seconds": waited,
        }

    def _step(self, iterator):
        """Takes one step; returns how long its batch let it wait."""
        begin = self._clock()
        with tf.control_dependencies([begin]):
            batch = iterator.get_next()
        arrived = tf.nest.flatten(batch, expand_composites=True)
        with tf.control_dependencies(arrived):
            waited = self._clock() - begin
        with tf.control_dependencies([waited]):
            self._model.distribute_strategy.run(
                self._model.train_step, args=(batch,)
            )
        return waited
