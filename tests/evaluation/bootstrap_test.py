"""Tests of `gpt_keras.evaluation.bootstrap`."""

import numpy as np
import pytest

from gpt_keras.evaluation.bootstrap import interval
from gpt_keras.evaluation.bootstrap import mean_interval


def test_of_many_rows_it_is_the_normal_interval():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = mean_interval(values)
    half = 1.96 * values.std() / 400**0.5
    expected = values.mean() - half, values.mean() + half
    np.testing.assert_allclose((low, high), expected, atol=0.1 * half)


def test_the_seed_alone_decides():
    values = [0.0, 1.0, 5.0, 2.0]
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values, 50, 1) != mean_interval(values, 50, 2)


def test_rows_are_drawn_with_replacement_and_as_many():
    drawn = []
    interval(lambda rows: drawn.append(rows) or 0.0, 5, 200)
    assert len(drawn) == 200
    assert all(rows.shape == (5,) for rows in drawn)
    assert {n for rows in drawn for n in rows} == {0, 1, 2, 3, 4}
    assert any(len(set(rows)) < 5 for rows in drawn)


def test_equal_rows_have_no_width():
    assert mean_interval([3.0] * 7) == (3.0, 3.0)


@pytest.mark.parametrize(("values", "samples"), [([], 10), ([1.0], 1)])
def test_too_little_is_refused(values, samples):
    with pytest.raises(ValueError, match="one row or more, and 2 samples"):
        mean_interval(values, samples)
