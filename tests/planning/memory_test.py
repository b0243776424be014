"""Tests of `gpt_keras.planning.memory`: against the variables of a run.

What the whole process takes is compared by `tools.measure_plan`.
"""

import pytest
from planning_testing import SWITCHES
from planning_testing import VOCAB_SIZE
from planning_testing import config_of
from planning_testing import model_of

from gpt_keras.planning.architecture import architecture_of
from gpt_keras.planning.memory import chunk_of
from gpt_keras.planning.memory import compute_width
from gpt_keras.planning.memory import memory_of
from gpt_keras.training.optimizers import make_optimizer


def _memory(name, vocab_size=VOCAB_SIZE, rows=None, **changes):
    config = config_of(name, **changes)
    sizes = architecture_of(config, vocab_size)
    rows = rows or config.batch_size // config.microbatches
    return memory_of(sizes, config, rows, runtime=7)


def _bytes(variables):
    return sum(variable.numpy().nbytes for variable in variables)


@pytest.mark.parametrize("name", SWITCHES)
def test_weights_slots_and_averages_are_those_of_the_run(name):
    config, model, memory = config_of(name), model_of(name), _memory(name)
    model.compile(make_optimizer(config, model), **config.step_options())
    model.optimizer.build(model.trainable_variables)
    assert memory.weights == _bytes(model.weights)
    scalars = 12  # iterations and learning rate
    slots = _bytes(model.optimizer.variables)
    assert slots - scalars <= memory.slots <= slots
    assert memory.averages == _bytes(model.step_state.averages)
    assert memory.gradients == _bytes(model.trainable_variables)


@pytest.mark.parametrize(
    ("part", "options"),
    [
        ("activations", {"remat": True}),
        ("activations", {"microbatches": 4}),
        ("activations", {"dtype": "mixed_bfloat16"}),
        ("logits", {"chunk_tokens": 8}),
        ("logits", {"microbatches": 4}),
        ("slots", {"optimizer": "muon"}),
    ],
)
def test_what_saves_memory_saves_it_where_it_says(part, options):
    before, after = _memory("gpt2"), _memory("gpt2", **options)
    assert getattr(after, part) < getattr(before, part)


def test_the_fullest_moment_counts():
    memory = _memory("gpt2")
    assert memory.peak == memory.standing + max(memory.moments.values())
    assert memory.moments[memory.fullest] == max(memory.moments.values())
    # A large vocabulary is felt in the loss, a long sequence in the blocks.
    assert _memory("gpt2", vocab_size=50_000).fullest == "loss"
    assert _memory("gpt2", max_length=256).fullest == "backward"
    assert _memory("gpt2", max_length=1, rows=1).fullest == "update"


def test_chunks_are_as_even_as_those_of_the_loss():
    config = config_of("gpt2", chunk_tokens=100)
    sizes = architecture_of(config, VOCAB_SIZE)
    assert chunk_of(sizes, config, 201) == 67  # three of them
    whole = config_of("gpt2", chunk_tokens=0)
    assert chunk_of(sizes, whole, 201) == 201
    assert chunk_of(sizes, config_of("gpt2"), 201) == 201


def test_the_compute_dtype_counts():
    widths = [compute_width(x) for x in ("float32", "mixed_float16")]
    assert widths == [4, 2] and compute_width("float64") == 8
