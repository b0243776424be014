"""Tests of letting requests in."""

import pytest

from gpt_keras.serving.admission import Admission
from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError


def _code(admission):
    with pytest.raises(ServingError) as caught:
        admission.enter()
    return caught.value.code


def test_so_many_at_once():
    admission = Admission(2)
    admission.enter()
    admission.enter()
    assert _code(admission) == Code.UNAVAILABLE
    admission.leave()
    admission.enter()
    assert admission.in_flight == 2


def test_so_many_a_second():
    now = [0.0]
    admission = Admission(0, 2.0, clock=lambda: now[0])
    for _ in range(3):
        for _ in range(2):
            admission.enter()
        assert _code(admission) == Code.RESOURCE_EXHAUSTED
        now[0] += 100.0  # rest is not saved up
    now[0] += 0.1
    admission.enter()
    admission.enter()
    now[0] += 0.5
    admission.enter()
    assert _code(admission) == Code.RESOURCE_EXHAUSTED


def test_less_than_one_a_second():
    now = [0.0]
    admission = Admission(0, 0.5, clock=lambda: now[0])
    admission.enter()
    now[0] = 1.9
    assert _code(admission) == Code.RESOURCE_EXHAUSTED
    now[0] = 4.0
    admission.enter()
