"""Tests of passages: every token is scored once, behind what was promised."""

import numpy as np
import pytest

from gpt_keras.evaluation.passages import passage_behind
from gpt_keras.evaluation.passages import window_passages


def _windows(count, max_length, stride):
    """Windows of a text whose every token is its own position."""
    return list(window_passages(np.arange(count), max_length, stride, "text"))


@pytest.mark.parametrize("count", [2, 5, 8, 9, 10, 17, 40])
@pytest.mark.parametrize("stride", [1, 2, 3, 7, 8])
def test_every_token_but_the_first_is_scored_once(count, stride):
    passages = _windows(count, 8, stride)
    scored = [p.token_ids[-p.num_scored :] for p in passages]
    assert np.concatenate(scored).tolist() == list(range(1, count))


@pytest.mark.parametrize("count", [9, 10, 17, 40])
@pytest.mark.parametrize("stride", [1, 2, 3, 7, 8])
def test_windows_begin_every_stride_and_have_their_context(count, stride):
    first, *others = _windows(count, 8, stride)
    assert first.token_ids.tolist() == list(range(9))
    assert first.num_scored == 8
    for number, passage in enumerate(others, 1):
        assert passage.token_ids[0] == number * stride
        assert np.all(np.diff(passage.token_ids) == 1)
        assert len(passage.token_ids) <= 9
        context = len(passage.token_ids) - passage.num_scored
        assert context == 8 - stride + 1
        assert passage.num_scored <= stride


def test_a_short_text_is_one_window():
    (passage,) = _windows(4, 8, 2)
    assert passage.token_ids.tolist() == [0, 1, 2, 3]
    assert passage.num_scored == 3


def test_windows_say_where_they_are():
    wheres = [passage.where for passage in _windows(14, 8, 3)]
    assert wheres == [f"text, from token {n}" for n in (1, 9, 12)]


@pytest.mark.parametrize("stride", [0, -1, 9])
def test_a_stride_out_of_range_is_refused(stride):
    with pytest.raises(ValueError) as raised:
        _windows(20, 8, stride)
    assert str(raised.value) == (
        "`stride` must be from 1 to the window of 8 tokens. Received: "
        f"stride={stride}"
    )


def test_the_end_of_a_long_context_is_kept():
    passage = passage_behind([1, 2, 3, 4], [5, 6], 4, "line 3")
    assert passage.token_ids.tolist() == [2, 3, 4, 5, 6]
    assert passage.token_ids.dtype == np.int32
    assert (passage.num_scored, passage.num_cut) == (2, 1)
    whole = passage_behind([1, 2, 3], [5, 6], 4, "line 3")
    assert whole.token_ids.tolist() == [1, 2, 3, 5, 6]
    assert whole.num_cut == 0


@pytest.mark.parametrize("count", [0, 5])
def test_what_cannot_be_scored_whole_is_refused(count):
    with pytest.raises(ValueError) as raised:
        passage_behind([1], [2] * count, 4, "line 3")
    assert str(raised.value) == (
        "What is scored must have from 1 to 4 tokens. Received: "
        f"{count} tokens, line 3"
    )
