"""Tests of merging requests, on a function that shows what it got."""

import concurrent.futures
import threading
import time

import numpy as np
import pytest
from google.protobuf import text_format

from gpt_keras.serving.batching_options import BatchingOptions
from gpt_keras.serving.request_batching import BatchScheduler
from gpt_keras.serving.server_messages import BatchingParameters
from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError


class Runner:
    """Doubles `x`, notes the batches, and waits while it is told to."""

    def __init__(self):
        self.batches = []
        self.deadlines = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.started = threading.Semaphore(0)

    def __call__(self, inputs, deadline):
        self.batches.append(inputs["x"])
        self.deadlines.append(deadline)
        self.started.release()
        self.goes_on.wait(60)
        if (inputs["x"] == -1).any():
            raise ServingError(Code.INVALID_ARGUMENT, "minus one")
        return {"y": inputs["x"] * 2}


@pytest.fixture
def make():
    """Returns a function that makes a scheduler with one thread."""
    made = []

    def make_one(**options):
        options = {"num_batch_threads": 1} | options
        made.append(BatchScheduler(BatchingOptions(**options)))
        return made[-1]

    yield make_one
    for scheduler in made:
        scheduler.close()


def _code(future):
    error = future.exception(timeout=10)
    assert isinstance(error, ServingError)
    return error.code


class Blocked:
    """A scheduler whose thread is busy; requests queue up behind."""

    def __init__(self, scheduler, pool):
        self.runner, self.scheduler, self.pool = Runner(), scheduler, pool
        self.runner.goes_on.clear()
        self.first = self.submit([0])
        assert self.runner.started.acquire(timeout=60)

    def submit(self, values, key="key", deadline=None):
        inputs = {"x": np.array(values)}
        started = threading.Event()

        def run():
            started.set()
            return self.scheduler.run(key, self.runner, inputs, deadline)

        future = self.pool.submit(run)
        started.wait(60)
        self._settle(future)
        return future

    def _settle(self, future):
        """Waits until the request is queued or answered."""
        end = time.monotonic() + 0.05
        while time.monotonic() < end and not future.done():
            time.sleep(0.001)

    def answers(self, *futures):
        self.runner.goes_on.set()
        return [f.result(timeout=10)["y"].tolist() for f in futures]


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        yield pool


def test_what_waits_together_runs_together_and_gets_its_own_rows(make, pool):
    blocked = Blocked(make(max_batch_size=4), pool)
    futures = [blocked.submit(x) for x in ([1], [2, 3], [4], [5])]
    answers = blocked.answers(*futures)
    assert answers == [[2], [4, 6], [8], [10]]
    sizes = [len(batch) for batch in blocked.runner.batches]
    assert sizes == [1, 4, 1]


def test_signatures_and_shapes_do_not_mix(make, pool):
    blocked = Blocked(make(), pool)
    futures = [
        blocked.submit([[1, 2]]),
        blocked.submit([[3]]),
        blocked.submit([[4]], key="other"),
        blocked.submit([[5, 6]]),
    ]
    answers = blocked.answers(*futures)
    assert answers == [[[2, 4]], [[6]], [[8]], [[10, 12]]]
    assert len(blocked.runner.batches) == 4


def test_rows_of_different_lengths_are_filled_up_with_their_first(make, pool):
    blocked = Blocked(make(pad_variable_length_inputs=True), pool)
    futures = [
        blocked.submit([[7, 1, 2]]),
        blocked.submit([[5], [6]]),
        blocked.submit(np.zeros((1, 0), int)),
    ]
    answers = blocked.answers(*futures[:2])
    assert answers == [[[14, 2, 4]], [[10, 10, 10], [12, 10, 10]]]
    assert _code(futures[2]) == Code.INVALID_ARGUMENT


def test_a_batch_is_filled_up_to_an_allowed_size(make, pool):
    blocked = Blocked(
        make(max_batch_size=8, allowed_batch_sizes=(1, 4, 8)), pool
    )
    futures = [blocked.submit([1, 2]), blocked.submit([3])]
    assert blocked.answers(*futures) == [[2, 4], [6]]
    assert blocked.runner.batches[1].tolist() == [1, 2, 3, 1]


def test_a_request_larger_than_a_batch_is_refused_or_spread(make, pool):
    with pytest.raises(ServingError, match="at most `max_batch_size`"):
        make(max_batch_size=2).run("key", Runner(), {"x": np.zeros(3)})
    options = dict(max_batch_size=8, max_execution_batch_size=3)
    blocked = Blocked(make(**options, enable_large_batch_splitting=True), pool)
    futures = [blocked.submit([1, 2]), blocked.submit([3, 4, 5, 6, 7])]
    assert blocked.answers(*futures) == [[2, 4], [6, 8, 10, 12, 14]]
    sizes = [len(batch) for batch in blocked.runner.batches]
    assert sizes == [1, 3, 3, 1]


def test_a_full_queue_is_unavailable_and_others_are_not(make, pool):
    blocked = Blocked(make(max_batch_size=1, max_enqueued_batches=2), pool)
    futures = [blocked.submit([1]), blocked.submit([2])]
    assert _code(blocked.submit([3])) == Code.UNAVAILABLE
    other = blocked.submit([4], key="other")
    assert blocked.answers(*futures, other) == [[2], [4], [8]]
    assert blocked.answers(blocked.submit([3])) == [[6]]


def test_a_deadline_that_passes_in_the_queue(make, pool):
    blocked = Blocked(make(), pool)
    soon = time.monotonic() + 0.05
    late = blocked.submit([1], deadline=soon)
    patient = blocked.submit([2], deadline=soon + 100)
    assert _code(late) == Code.DEADLINE_EXCEEDED
    assert blocked.answers(patient) == [[4]]
    # Who has given up is not run for; the rest have the latest deadline.
    assert blocked.runner.batches[-1].tolist() == [2]
    assert blocked.runner.deadlines[-1] == soon + 100


def test_an_error_is_told_to_all_of_the_batch_and_to_no_one_else(make, pool):
    blocked = Blocked(make(max_batch_size=2), pool)
    futures = [blocked.submit([x]) for x in (-1, 1, 2)]
    assert blocked.answers(futures[2]) == [[4]]
    assert [_code(f) for f in futures[:2]] == [Code.INVALID_ARGUMENT] * 2


def test_a_batch_waits_for_others_but_not_longer_than_it_may(make, pool):
    scheduler = make(max_batch_size=2, batch_timeout_micros=50_000)
    runner = Runner()
    start = time.monotonic()
    scheduler.run("key", runner, {"x": np.array([1])})
    assert time.monotonic() - start > 0.045
    scheduler = make(max_batch_size=2, batch_timeout_micros=10**9)
    futures = [
        pool.submit(scheduler.run, "key", runner, {"x": np.array([x])})
        for x in (1, 2)
    ]
    assert [f.result(10)["y"].tolist() for f in futures] == [[2], [4]]


def test_rows_must_be_equal_in_number_and_be_there(make):
    scheduler = make()
    for inputs in (
        {"x": np.zeros(2), "z": np.zeros(3)},
        {"x": np.zeros(1), "z": np.array(1)},
    ):
        with pytest.raises(ServingError) as caught:
            scheduler.run("key", Runner(), inputs)
        assert caught.value.code == Code.INVALID_ARGUMENT
    assert not scheduler.run("key", Runner(), {"x": np.zeros(0)})["y"].size


def test_an_output_without_the_batch_s_rows_is_refused(make):
    with pytest.raises(ServingError, match=r"\['y'\]") as caught:
        make().run(
            "key", lambda inputs, _: {"y": np.zeros(3)}, {"x": np.zeros(2)}
        )
    assert caught.value.code == Code.FAILED_PRECONDITION


def test_closing_answers_what_waits(make, pool):
    scheduler = make()
    blocked = Blocked(scheduler, pool)
    waiting = blocked.submit([1])
    closing = pool.submit(scheduler.close)
    assert _code(waiting) == Code.UNAVAILABLE
    assert blocked.answers(blocked.first) == [[0]]
    closing.result(timeout=10)
    assert _code(blocked.submit([1])) == Code.UNAVAILABLE


def test_many_threads_each_get_what_they_would_alone(make, pool):
    scheduler = make(
        max_batch_size=5,
        num_batch_threads=3,
        max_enqueued_batches=100,
        pad_variable_length_inputs=True,
    )
    runner = Runner()

    def one(index):
        values = np.full((1 + index % 3, 1 + index % 4), index)
        answer = scheduler.run(index % 2, runner, {"x": values})["y"]
        return (answer[:, : values.shape[1]] == values * 2).all()

    assert all(pool.map(one, range(300)))
    assert max(len(batch) for batch in runner.batches) > 1


def test_the_options_come_from_the_file_s_message():
    text = """
        max_batch_size { value: 32 } batch_timeout_micros { value: 0 }
        enable_large_batch_splitting { value: true }
        max_execution_batch_size { value: 16 }
        allowed_batch_sizes: 8 allowed_batch_sizes: 16
    """
    message = text_format.Parse(text, BatchingParameters())
    options = BatchingOptions.from_message(message)
    assert options == BatchingOptions(
        max_batch_size=32,
        enable_large_batch_splitting=True,
        max_execution_batch_size=16,
        allowed_batch_sizes=(8, 16),
    )


@pytest.mark.parametrize(
    "text",
    [
        "max_batch_size { value: 0 }",
        "max_enqueued_batches { value: 0 }",
        "num_batch_threads { value: -1 }",
        "batch_timeout_micros { value: -1 }",
        "max_batch_size { value: 4 } allowed_batch_sizes: 8",
        "max_batch_size { value: 4 } allowed_batch_sizes: [4, 4]",
        "max_batch_size { value: 4 } max_execution_batch_size { value: 5 }",
    ],
)
def test_options_that_break_a_rule_are_refused(text):
    message = text_format.Parse(text, BatchingParameters())
    with pytest.raises(ValueError, match="must .*Received"):
        BatchingOptions.from_message(message)
