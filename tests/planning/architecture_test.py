"""Tests of `gpt_keras.planning.architecture`: against the model itself."""

import math

import pytest
from planning_testing import SWITCHES
from planning_testing import VOCAB_SIZE
from planning_testing import config_of
from planning_testing import model_of

from gpt_keras.config import TrainConfig
from gpt_keras.planning.architecture import architecture_of
from gpt_keras.planning.architecture import kernel_shapes
from gpt_keras.planning.architecture import parameters_of

# Which variables a part consists of, by what is in their path.
PARTS = {
    "adapters": "lora_kernel",
    "norms": "norm",
    "attention": "/attention/",
    "feed_forward": "block_",
    "positions": "positional_encoding",
    "embedding": "embedding",
    "projection": "final_layer",
}


@pytest.mark.parametrize("name", SWITCHES)
def test_counts_what_the_model_has(name):
    model = model_of(name)
    sizes = architecture_of(config_of(name), VOCAB_SIZE)
    planned, counted = parameters_of(sizes), dict.fromkeys(PARTS, 0)
    for weight in model.weights:
        part = next(x for x, text in PARTS.items() if text in weight.path)
        counted[part] += math.prod(weight.shape)
    assert planned.parts == counted
    assert planned.total == model.count_params()
    trained = [math.prod(x.shape) for x in model.trainable_weights]
    assert planned.trained == sum(trained)
    assert planned.largest == max(trained)
    layers = model.blocks[0].projections
    found = {layer.name: tuple(layer._kernel.shape) for layer in layers}
    assert kernel_shapes(sizes) == found


def test_defaults_are_those_of_the_model():
    sizes = architecture_of(TrainConfig(num_layers=5), 9)
    assert sizes.position == "sinusoidal" and sizes.num_layers == 5
    assert (sizes.norm, sizes.use_bias, sizes.lora_rank) == ("layer", True, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 3}, "multiple of `num_heads`"),
        ({"position": "alibi"}, "`position` must be one of"),
        ({"num_layers": 0}, "`num_layers` must be positive"),
        ({"vocab_multiple": 0}, "`vocab_multiple` must be positive"),
    ],
)
def test_refuses_what_the_model_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        architecture_of(TrainConfig(**options), 50)
