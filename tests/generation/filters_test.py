"""Tests of the filters of unlikely tokens, against NumPy."""

import numpy as np
import pytest
from sampling_testing import NEVER
from sampling_testing import numpy_process
from sampling_testing import process
from sampling_testing import random_logits

from gpt_keras.generation import filters


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", [1, 2, 7, 49, 50, 51, 1000, 2**31 - 1])
def test_top_k_keeps_exactly_k(k, ties):
    logits = random_logits(4, 50, ties=ties)
    expected = numpy_process("top_k", logits, None, top_k=k)
    np.testing.assert_array_equal(process("top_k", logits, top_k=k), expected)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("p", [1e-9, 0.05, 0.3, 0.77, 0.9, 0.999])
def test_top_p_keeps_the_smallest_set(p, ties):
    for vocab_size in (1, 3, 50, 5000):
        logits = random_logits(3, vocab_size, seed=vocab_size, ties=ties)
        expected = numpy_process("top_p", logits, None, top_p=p)
        np.testing.assert_array_equal(
            process("top_p", logits, top_p=p), expected
        )


def test_top_p_reached_exactly_takes_no_more():
    logits = np.zeros((1, 4), "float32")
    kept = process("top_p", logits, top_p=0.5)
    np.testing.assert_array_equal(kept, [[0, 0, NEVER, NEVER]])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("p", [1e-9, 0.02, 0.3, 0.9, 1.0])
def test_min_p_keeps_a_share_of_the_likeliest(p, ties):
    for vocab_size in (1, 3, 50, 5000):
        logits = random_logits(3, vocab_size, seed=vocab_size, ties=ties)
        expected = numpy_process("min_p", logits, None, min_p=p)
        np.testing.assert_array_equal(
            process("min_p", logits, min_p=p), expected
        )


def test_min_p_reached_exactly_stays():
    logits = np.log(np.array([[0.5, 0.25, 0.125, 0.125]], "float32"))
    kept = process("min_p", logits, min_p=[np.exp(logits[0, 1] - logits[0, 0])])
    assert np.isfinite(kept).tolist() == [[True, True, False, False]]


def test_min_p_over_the_rule_keeps_the_likeliest():
    logits = np.array([[0, 2, 1], [5, 5, -1]], "float32")
    for p in (1.0, 1.5, np.inf):
        kept = process("min_p", logits, min_p=p)
        assert np.isfinite(kept).tolist() == [
            [False, True, False],
            [True, True, False],
        ]


@pytest.mark.parametrize(
    ("name", "off"),
    [("top_k", 0), ("top_k", -5), ("top_p", 1.0), ("min_p", 0.0)],
)
def test_a_filter_that_is_off_changes_nothing(name, off):
    logits = random_logits(3, 50)
    np.testing.assert_array_equal(process(name, logits, **{name: off}), logits)


@pytest.mark.parametrize(
    ("name", "off", "on"),
    [("top_k", 0, 3), ("top_p", 1.0, 0.5), ("min_p", 0.0, 0.5)],
)
def test_a_filter_that_is_off_costs_nothing(name, off, on, monkeypatch):
    def work(*args):
        raise AssertionError("Nobody asked for it.")

    monkeypatch.setattr(filters, "relative_weights", work)
    monkeypatch.setattr(filters, "_best", work)
    logits = random_logits(3, 50)
    process(name, logits, **{name: off})
    process(name, logits, **{name: on}, temperature=0)
    with pytest.raises(AssertionError):
        process(name, logits, **{name: on})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("top_k", [0, 1, 10, 60]),
        ("top_p", [1.0, 0.01, 0.5, 0.9]),
        ("min_p", [0.0, 1.0, 0.1, 0.001]),
    ],
)
def test_each_row_has_its_own_filter(name, values):
    logits = random_logits(4, 50)
    kept = process(name, logits, **{name: values})
    expected = numpy_process(name, logits, None, **{name: values})
    np.testing.assert_array_equal(kept, expected)
    assert len(set(np.isfinite(kept).sum(-1))) > 2


@pytest.mark.parametrize("name", ["top_k", "top_p", "min_p"])
def test_filters_leave_banned_tokens_banned(name):
    logits = random_logits(3, 50)
    logits[:, ::2] = NEVER
    value = {"top_k": 30, "top_p": 0.999, "min_p": 1e-6}[name]
    kept = process(name, logits, **{name: value})
    expected = numpy_process(name, logits, None, **{name: value})
    np.testing.assert_array_equal(kept, expected)
    assert not np.isfinite(kept[:, ::2]).any()


def test_temperature_scales_differences():
    logits = random_logits(3, 50)
    scaled = process("temperature", logits, temperature=[0.5, 1.0, 4.0])
    expected = logits / np.array([[0.5], [1.0], [4.0]], "float32")
    difference = scaled - expected
    np.testing.assert_allclose(
        difference, np.broadcast_to(difference[:, :1], (3, 50)), atol=1e-5
    )
