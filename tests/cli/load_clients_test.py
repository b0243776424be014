"""Tests of `gpt_keras.cli.load_clients`: what was seen adds up."""

from collections import Counter

import pytest

from gpt_keras.cli.load_clients import Seen


def test_what_clients_saw_adds_up():
    total = Seen()
    total.add(Seen([0.3, 0.1], rows=3, tokens=9, refused=1))
    total.add(Seen([0.2], changed=1, failed=2, errors=Counter(late=2)))
    total.add(Seen(errors=Counter(late=1), not_refused=Counter(label=1)))
    assert total == Seen(
        [0.3, 0.1, 0.2],
        rows=3,
        tokens=9,
        changed=1,
        failed=2,
        errors=Counter(late=3),
        refused=1,
        not_refused=Counter(label=1),
    )


def test_percentiles_are_of_the_ordered_seconds():
    seen = Seen([number / 10 for number in range(10, 0, -1)])
    assert seen.percentile(0.0) == 0.1
    assert seen.percentile(0.5) == 0.6
    assert seen.percentile(0.99) == seen.percentile(1.0) == 1.0


@pytest.mark.parametrize(
    "wrong", [{"failed": 1}, {"changed": 1}, {"not_refused": Counter(x=1)}]
)
def test_one_thing_that_is_wrong_is_enough(wrong):
    assert Seen([0.1], refused=4).is_right
    assert not Seen([0.1], **wrong).is_right
    assert not Seen().is_right  # nothing was answered
