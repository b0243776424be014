"""Requests of many threads in, the answers of shared batches out.

The rules are those of TF Serving's shared batch scheduler: every signature of
every version has its own queue, and all queues share the threads.
"""

import collections
import os
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping

import numpy as np

from gpt_keras.serving.batch_merging import count_rows
from gpt_keras.serving.batch_merging import join
from gpt_keras.serving.batch_merging import merge
from gpt_keras.serving.batch_merging import split
from gpt_keras.serving.batching_options import BatchingOptions
from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError
from gpt_keras.serving.serving_errors import as_serving_errors
from gpt_keras.serving.serving_errors import invalid


class _Task:
    """The rows of one request in one batch."""

    def __init__(self, inputs, num_rows, deadline):
        self.inputs = inputs
        self.num_rows = num_rows
        self.deadline = deadline  # by time.monotonic; None for none
        self.done = threading.Event()
        self.outputs = None
        self.error = None

    def finish(self, outputs=None, error=None):
        self.outputs, self.error = outputs, error
        self.inputs = None
        self.done.set()

    def result(self):
        """Waits for the outputs, not beyond the deadline."""
        if not self.done.wait(_remaining(self.deadline)):
            raise deadline_error()
        if self.error is not None:
            # An exception that several threads raise grows with each.
            raise ServingError(self.error.code, self.error.message)
        return self.outputs


class _Batch:
    """Tasks that run together."""

    def __init__(self, run):
        self.run = run
        self.opened = time.monotonic()
        self.tasks = []
        self.num_rows = 0

    def add(self, task):
        self.tasks.append(task)
        self.num_rows += task.num_rows


class BatchScheduler:
    """Merges requests; `close` ends its threads.

    Args:
        options: How.
        observe: Is told of each batch: the rows, and the seconds that its
            first request waited.
    """

    def __init__(
        self,
        options: BatchingOptions,
        observe: Callable[[int, float], None] = lambda rows, seconds: None,
    ):
        self._options = options
        self._observe = observe
        self._changed = threading.Condition()
        self._queues = collections.OrderedDict()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._work, daemon=True, name="batching")
            for _ in range(options.num_batch_threads or os.cpu_count() or 1)
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self,
        key,
        run: Callable[[Mapping[str, np.ndarray], float | None], Mapping],
        inputs: Mapping[str, np.ndarray],
        deadline: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a request in a batch and returns its outputs.

        Args:
            key: Of the queue; its requests are merged.
            run: Takes the inputs of a batch and its deadline.
            inputs: Arrays with a row for each row of the request.
            deadline: By `time.monotonic`; None for none.

        Raises:
            ServingError: The request is too large, its inputs have different
                numbers of rows, the queue is full, the deadline has passed,
                or what `run` raises.
        """
        num_rows = count_rows(inputs)
        if num_rows > self._options.max_batch_size:
            raise invalid(
                "A request must have at most `max_batch_size` rows, "
                f"{self._options.max_batch_size}. Received: {num_rows}"
            )
        if num_rows == 0:
            return dict(run(inputs, deadline))
        tasks = self._add((key, self._shapes(inputs)), run, inputs, deadline)
        parts = [task.result() for task in tasks]
        return parts[0] if len(parts) == 1 else join(parts)

    def close(self) -> None:
        """Answers what is waiting with `UNAVAILABLE` and ends the threads."""
        with self._changed:
            self._is_closed = True
            left = [b for queue in self._queues.values() for b in queue]
            self._queues.clear()
            self._changed.notify_all()
        for batch in left:
            for task in batch.tasks:
                task.finish(error=_unavailable("The server is shutting down."))
        for thread in self._threads:
            thread.join()

    def _shapes(self, inputs):
        """Returns what requests of one queue must have in common."""
        pads = self._options.pad_variable_length_inputs
        return tuple(
            (name, array.ndim if pads else array.shape[1:])
            for name, array in sorted(inputs.items())
        )

    def _add(self, key, run, inputs, deadline):
        """Puts a request into the queue, all of it or nothing."""
        largest = self._options.largest_batch
        with self._changed:
            if self._is_closed:
                raise _unavailable("The server is shutting down.")
            queue = self._queues.get(key, ())
            room = largest - queue[-1].num_rows if queue else 0
            num_rows = count_rows(inputs)
            sizes = self._sizes(num_rows, room)
            num_new = len(sizes) - (sizes[0] <= room)
            if len(queue) + num_new > self._options.max_enqueued_batches:
                raise _unavailable(
                    "The queue of this signature is full, with "
                    f"{len(queue)} batches. Try again later."
                )
            queue = self._queues.setdefault(key, collections.deque())
            tasks, start = [], 0
            for size in sizes:
                part = _rows(inputs, start, size, num_rows)
                tasks.append(_Task(part, size, deadline))
                if not queue or queue[-1].num_rows + size > largest:
                    queue.append(_Batch(run))
                queue[-1].add(tasks[-1])
                start += size
            self._changed.notify()
        return tasks

    def _sizes(self, num_rows, room):
        """Returns the numbers of rows that go to one batch after the other."""
        if not self._options.enable_large_batch_splitting:
            return [num_rows]
        largest = self._options.largest_batch
        sizes = [min(room, num_rows)] if room else []
        while (left := num_rows - sum(sizes)) > 0:
            sizes.append(min(largest, left))
        return sizes

    def _work(self):
        while (batch := self._next()) is not None:
            self._run(batch)
            del batch

    def _next(self):
        """Waits for a batch that is due; None at the end."""
        with self._changed:
            while not self._is_closed:
                wait = None
                for key, queue in self._queues.items():
                    due = self._due_in(queue)
                    if due <= 0:
                        return self._take(key, queue)
                    wait = due if wait is None else min(wait, due)
                self._changed.wait(wait)
        return None

    def _due_in(self, queue):
        first = queue[0]
        if len(queue) > 1 or first.num_rows >= self._options.largest_batch:
            return 0
        timeout = self._options.batch_timeout_micros / 1e6
        return first.opened + timeout - time.monotonic()

    def _take(self, key, queue):
        batch = queue.popleft()
        if queue:
            self._queues.move_to_end(key)
        else:
            del self._queues[key]
        self._changed.notify()
        return batch

    def _run(self, batch):
        now = time.monotonic()
        tasks = []
        for task in batch.tasks:
            if task.deadline is not None and task.deadline <= now:
                task.finish(error=deadline_error())
            else:
                tasks.append(task)
        # With padding an array without values can't say what to fill with.
        tasks = self._without_unpaddable(tasks)
        if not tasks:
            return
        self._observe(sum(t.num_rows for t in tasks), now - batch.opened)
        try:
            with as_serving_errors():
                self._answer(batch.run, tasks)
        except ServingError as error:
            for task in tasks:
                task.finish(error=error)

    def _without_unpaddable(self, tasks):
        shapes = {name: set() for name in (tasks[0].inputs if tasks else ())}
        for task in tasks:
            for name, array in task.inputs.items():
                shapes[name].add(array.shape[1:])
        ragged = [name for name, found in shapes.items() if len(found) > 1]
        kept = []
        for task in tasks:
            empty = [name for name in ragged if not task.inputs[name].size]
            if empty:
                message = (
                    f"Rows of `{empty[0]}` must have a value to be batched "
                    "with longer ones. Received: empty rows"
                )
                task.finish(error=invalid(message))
            else:
                kept.append(task)
        return kept

    def _answer(self, run, tasks):
        sizes = [task.num_rows for task in tasks]
        total = sum(sizes)
        num_rows = next(
            (x for x in self._options.allowed_batch_sizes if x >= total), total
        )
        inputs = merge([task.inputs for task in tasks], num_rows)
        outputs = run(inputs, _latest([task.deadline for task in tasks]))
        parts = split(outputs, sizes + [num_rows - total], num_rows)[:-1]
        for task, part in zip(tasks, parts, strict=True):
            task.finish(part)


def deadline_error() -> ServingError:
    """Returns the error of a request that took too long."""
    return ServingError(
        Code.DEADLINE_EXCEEDED, "The deadline passed before the answer came."
    )


def _unavailable(message):
    return ServingError(Code.UNAVAILABLE, message)


def _remaining(deadline):
    return None if deadline is None else max(0, deadline - time.monotonic())


def _latest(deadlines):
    return None if None in deadlines else max(deadlines)


def _rows(inputs, start, size, num_rows):
    if size == num_rows:
        return inputs
    return {name: x[start : start + size] for name, x in inputs.items()}
