"""Values of each host in, what all hosts know out.

A run on several hosts is the same program on each of them. They meet in every
step, so what one does that has to do with the others, all must do, in the same
order: a decision is taken out of what all know, or by the chief, the first
host, for all of them. On one host alone everything here is as good as nothing.
"""

import contextlib
import json
import re
import time

import numpy as np
import tensorflow as tf

_BYTES_AT_ONCE = 2**26  # of variables, in one message
_SECONDS_TO_PART = 0.5  # in which answers that are under way arrive
_SMALLEST = 64  # numbers of a message: others are padded, so few are traced
_TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")
# What TensorFlow raises on the hosts that stay behind.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)
# What a user can put right, and may happen on one of the hosts alone.
_USER_ERRORS = (ValueError, OSError)


class HostLost(OSError):
    """Another host of the job can't be reached any more."""


class Hosts:
    """The hosts of a strategy.

    Args:
        strategy: Any `tf.distribute.Strategy`. All but a
            `MultiWorkerMirroredStrategy` of several workers are one host.

    Attributes:
        addresses: `host:port` of each; one that is empty for one host.
        index: Which of them this is.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy = strategy
        self._tasks, self.addresses, self.index = _read_tasks(strategy)
        self._gather = tf.function(self._gather_rows, autograph=False)
        self._sum = tf.function(self._sum_of_chief, autograph=False)

    @property
    def count(self) -> int:
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    def largest(self, number: int) -> int:
        """Returns the largest of the numbers that the hosts call it with."""
        if self.count == 1:
            return number
        return int(self._exchange_numbers(np.array([number])).max())

    def exchange(self, value) -> list:
        """Returns the values of all hosts, in their order.

        Args:
            value: What JSON can hold.
        """
        if self.count == 1:
            return [value]
        data = json.dumps(value).encode("utf-8")
        numbers = np.frombuffer(data + b" " * (-len(data) % 8), np.int64)
        size = _padded_size(self.largest(len(numbers)))
        padded = np.zeros(size, np.int64)
        padded[: len(numbers)] = numbers
        rows = self._exchange_numbers(padded)
        return [json.loads(row.tobytes().rstrip(b"\0")) for row in rows]

    def from_chief(self, value):
        """Returns the chief's value on every host, if JSON can hold it."""
        return self.exchange(value if self.is_chief else None)[0]

    def together(self, function):
        """Calls a function on every host; returns what it returns on this one.

        Raises:
            ValueError: As the function; or it raised a `ValueError` or an
                `OSError` on another host. So all hosts stop, and for the same
                reason.
            OSError: As the function.
        """
        if self.count == 1:
            return function()
        result = error = None
        try:
            result = function()
        except _USER_ERRORS as mine:
            error = mine
        texts = self.exchange(None if error is None else str(error))
        if any(text is not None for text in texts):
            self.part()
        if error is not None:
            raise error
        for index, text in enumerate(texts):
            if text is not None:
                raise ValueError(f"{self._name(index)}: {text}")
        return result

    def on_chief(self, function):
        """Calls a function on the chief alone, while the others wait.

        Returns:
            What it returned; None on the other hosts.

        Raises:
            ValueError: As `together`.
            OSError: As `together`.
        """
        return self.together(function if self.is_chief else lambda: None)

    def check_same(self, facts: dict[str, object]) -> None:
        """Checks that all hosts state the same.

        Args:
            facts: By name; what JSON can hold.

        Raises:
            ValueError: Not all do, with each difference; on every host.
        """
        chief, *others = self.exchange(facts)
        differences = [
            f"{name}: {chief.get(name)!r} on the chief, "
            f"{facts.get(name)!r} on {self._name(index)}"
            for index, facts in enumerate(others, 1)
            for name in sorted({*chief, *facts})
            if chief.get(name) != facts.get(name)
        ]
        if differences:
            self.part()
            raise ValueError(
                "All hosts must run the same command with the same software "
                f"on the same data. Received: {'; '.join(differences[:8])}"
            )

    def copy_from_chief(self, variables) -> None:
        """Gives variables the values that they have on the chief, bit by bit.

        Args:
            variables: Of Keras or TensorFlow, the same on every host. None of
                them may be one that its reader sums up.
        """
        if self.count == 1:
            return
        group, size = [], 0
        for variable in variables:
            group.append(variable)
            size += variable.numpy().nbytes
            if size >= _BYTES_AT_ONCE:
                self._copy_at_once(group)
                group, size = [], 0
        if group:
            self._copy_at_once(group)

    def part(self) -> None:
        """Waits for all hosts, before each of them may end.

        A host that ends takes answers with it that another is waiting for. So
        there are two meetings: once the first one is over here, all hosts
        have come to the end, and what becomes of the second doesn't matter.
        """
        if self.count == 1:
            return
        self.largest(0)
        with contextlib.suppress(tf.errors.OpError):
            self.largest(0)
            time.sleep(_SECONDS_TO_PART)

    def spread(self, make, is_endless: bool = True):
        """Returns batches of which each host makes its own part only.

        Args:
            make: Takes a `context`, a `tf.distribute.InputContext` or None
                for one host, and returns a dataset: with a context, of the
                parts of this host's replicas, one after the other.
            is_endless: Whether nobody goes through them to their end. Then
                the hosts need not ask one another in each step.
        """
        if self.count == 1:
            return make(context=None)

        def make_part(context):
            batches = make(context=context)
            return batches.repeat() if is_endless else batches

        return self._strategy.distribute_datasets_from_function(make_part)

    def whole_batch(self, values):
        """Returns the values of all rows of a batch, `(rows, …)`."""
        if self.count == 1:
            return values
        return self._strategy.gather(values, axis=0)

    @contextlib.contextmanager
    def guarded(self):
        """Inside, a host that is lost is a `HostLost` with a text of its own.

        A host that ends, or can't be reached, is noticed within some ten
        seconds.
        """
        try:
            yield
        except _LOST as error:
            if self.count == 1:
                raise
            raise HostLost(self._explain(str(error))) from error

    def _explain(self, text: str) -> str:
        tasks = [(kind, int(number)) for kind, number in _TASK.findall(text)]
        places = [self._tasks.index(x) for x in tasks if x in self._tasks]
        others = [place for place in places if place != self.index]
        lost = self._name(others[0]) if others else "Another host"
        return (
            f"{lost} can't be reached any more, so {self._name(self.index)} "
            "stops too. The same command on every host goes on from the last "
            "checkpoint."
        )

    def _name(self, index: int) -> str:
        return f"host {index} ({self.addresses[index]})"

    def _copy_at_once(self, variables) -> None:
        values = [variable.numpy() for variable in variables]
        data = b"".join(value.tobytes() for value in values)
        size = _padded_size(-(-len(data) // 8))
        numbers = np.zeros(size, np.int64)
        if self.is_chief:
            numbers.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
        data = self._sum(tf.constant(numbers)).numpy().tobytes()
        start = 0
        for variable, value in zip(variables, values, strict=True):
            end = start + value.nbytes
            array = np.frombuffer(data[start:end], value.dtype)
            variable.assign(array.reshape(value.shape))
            start = end

    def _exchange_numbers(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the numbers `(n,)` of all hosts, `(hosts, n)`."""
        rows = self._gather(tf.constant(numbers, tf.int64)).numpy()
        return rows[:: len(rows) // self.count]  # one of each host's replicas

    def _gather_rows(self, numbers):
        def on_replica():
            context = tf.distribute.get_replica_context()
            return context.all_gather(tf.identity(numbers)[None], axis=0)

        return self._first(self._strategy.run(on_replica))

    def _sum_of_chief(self, numbers):
        def on_replica():
            context = tf.distribute.get_replica_context()
            is_first = context.replica_id_in_sync_group == 0
            mine = tf.where(is_first, numbers, tf.zeros_like(numbers))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        return self._first(self._strategy.run(on_replica))

    def _first(self, values):
        return self._strategy.experimental_local_results(values)[0]


def _read_tasks(strategy):
    """Returns the tasks, their addresses, and which of them this one is."""
    jobs = {}
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        jobs = strategy.cluster_resolver.cluster_spec().as_dict()
    tasks = [
        (kind, index)
        for kind in ("chief", "worker")
        for index in range(len(jobs.get(kind, [])))
    ]
    if len(tasks) < 2:
        return [], [""], 0
    resolver = strategy.cluster_resolver
    addresses = [jobs[kind][index] for kind, index in tasks]
    mine = (resolver.task_type, resolver.task_id)
    return tasks, addresses, tasks.index(mine)


def _padded_size(size: int) -> int:
    return max(_SMALLEST, 1 << (size - 1).bit_length())
