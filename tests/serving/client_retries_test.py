"""Tests of `gpt_keras.serving.client_retries`."""

import time

import pytest

from gpt_keras.serving.client_errors import DeadlineError
from gpt_keras.serving.client_errors import InvalidRequestError
from gpt_keras.serving.client_errors import call_error
from gpt_keras.serving.client_retries import Deadline
from gpt_keras.serving.client_retries import Retries


@pytest.fixture
def pauses(monkeypatch):
    """What is slept, without sleeping."""
    found = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def _failing(*errors):
    """A request that fails so often, then is answered."""
    left = list(errors)

    def send(deadline):
        if left:
            raise left.pop(0)
        return "answer"

    return send


def _busy(retry_after=None):
    return call_error("RESOURCE_EXHAUSTED", "busy", retry_after)


def test_waits_double_up_to_the_longest_and_are_shortened_by_chance(pauses):
    retries = Retries(times=6, first_wait=1.0, longest_wait=10.0)
    for _ in range(20):
        send = _failing(*[_busy()] * 6)
        assert retries.call(send, Deadline(1000)) == "answer"
    for index, wait in enumerate([1, 2, 4, 8, 10, 10]):
        column = pauses[index::6]
        assert all(wait / 2 <= pause <= wait for pause in column)
        assert len({*column}) > 15


def test_what_the_server_says_of_the_wait_is_the_least(pauses):
    send = _failing(_busy(7.0), _busy(0.0))
    Retries(first_wait=1.0).call(send, Deadline(1000))
    assert pauses[0] == 7 and 1 <= pauses[1] <= 2


def test_the_last_error_is_raised(pauses):
    errors = [_busy(), call_error("UNAVAILABLE", "gone"), _busy()]
    with pytest.raises(OSError) as raised:
        Retries(times=2).call(_failing(*errors), Deadline(1000))
    assert raised.value is errors[-1] and len(pauses) == 2


@pytest.mark.parametrize("error", [_busy(), _busy(60.0)])
def test_no_wait_reaches_beyond_the_deadline(pauses, error):
    retries = Retries(first_wait=100.0, longest_wait=100.0)
    with pytest.raises(OSError) as raised:
        retries.call(_failing(error), Deadline(40))
    assert raised.value is error and not pauses


@pytest.mark.parametrize(
    "code", ["INVALID_ARGUMENT", "NOT_FOUND", "DEADLINE_EXCEEDED", "INTERNAL"]
)
def test_what_fails_again_is_not_tried_again(pauses, code):
    error = call_error(code, "no")
    with pytest.raises(type(error)):
        Retries().call(_failing(error), Deadline(1000))
    assert not pauses


def test_nothing_is_sent_after_the_deadline(pauses):
    with pytest.raises(DeadlineError, match="0.0001 seconds"):
        deadline = Deadline(0.0001)
        while not deadline.is_within(0):
            pass
        Retries().call(lambda deadline: deadline.left(), deadline)


@pytest.mark.parametrize("name", ["times", "first_wait", "longest_wait"])
@pytest.mark.parametrize("value", [-1, float("nan")])
def test_negative_numbers_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` of the retries"):
        Retries(**{name: value})


def test_an_error_is_one_line_and_has_its_class():
    error = call_error("OUT_OF_RANGE", "two\n  lines")
    assert isinstance(error, InvalidRequestError)
    assert str(error) == "OUT_OF_RANGE: two lines"
    assert error.message == "two\n  lines"
