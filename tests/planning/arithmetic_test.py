"""Tests of `gpt_keras.planning.arithmetic`: against the count of a model."""

import pytest
from planning_testing import SWITCHES
from planning_testing import VOCAB_SIZE
from planning_testing import config_of
from planning_testing import model_of

from gpt_keras.planning.architecture import architecture_of
from gpt_keras.planning.arithmetic import arithmetic_of
from gpt_keras.training.model_flops import training_flops_per_token


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("length", [5, 16])
def test_counts_what_the_log_counts(name, length):
    sizes = architecture_of(config_of(name), VOCAB_SIZE)
    counted = training_flops_per_token(model_of(name), length)
    assert arithmetic_of(sizes, length).model == counted


def test_only_attention_grows_with_the_length():
    sizes = architecture_of(config_of("gpt2"), VOCAB_SIZE)
    short, long = (arithmetic_of(sizes, length) for length in (8, 16))
    assert (short.forward, short.backward) == (long.forward, long.backward)
    assert 2 * short.forward_attention == long.forward_attention
    assert 2 * short.backward_attention == long.backward_attention


def test_remat_is_a_forward_pass_of_the_blocks_and_does_not_count():
    plain, remat = (
        arithmetic_of(
            architecture_of(config_of("gpt2", remat=remat), VOCAB_SIZE), 16
        )
        for remat in (False, True)
    )
    assert plain.model == remat.model and plain.recomputed == 0
    projection = 2 * VOCAB_SIZE * 16
    forward = remat.forward + remat.forward_attention
    assert remat.recomputed == forward - projection
