"""Tests of `gpt_keras.config`."""

import dataclasses

import pytest

from gpt_keras import GPTModel
from gpt_keras.config import MODEL_PRESETS
from gpt_keras.config import RECIPES
from gpt_keras.config import TrainConfig


def test_recipes_make_models():
    assert {"quickstart", "shakespeare_char", "gpt2_small", "document"} <= set(
        RECIPES
    )
    for name, recipe in RECIPES.items():
        if name != "gpt2_small":  # 0.5 GB
            GPTModel(100, **recipe.model_arguments()).build((None, None))


def test_gpt2_small_has_gpt2s_parameters():
    arguments = {**MODEL_PRESETS["gpt2_small"], "num_layers": 1}
    model = GPTModel(50257, **arguments)
    model.build((None, None))
    block = sum(
        w.shape.num_elements() for w in model.blocks[0].trainable_weights
    )
    assert model.count_params() + 11 * block == 124_439_808


def test_the_document_leaves_everything_to_the_model():
    given = RECIPES["document"].model_arguments().keys()
    assert given == {
        "d_model",
        "num_heads",
        "dff",
        "num_layers",
        "max_length",
        "rate",
    }


def test_differences_name_what_steers_the_run():
    config = TrainConfig()
    saved = dataclasses.asdict(config)
    changed = dataclasses.replace(config, seed=3, log_every=7, text="x")
    assert changed.differences(saved) == ["seed: 0 there, 3 now"]
    assert config.differences(saved) == []


@pytest.mark.parametrize(
    "values, message",
    [
        ({"steps": 0}, "`steps` must be positive. Received: steps=0"),
        ({"weight_decay": -1.0}, "`weight_decay` must be at least 0"),
        ({"rate": 1.0}, r"`rate` must be in \[0, 1\)"),
        ({"text": "a", "tfds": "b"}, "`text` or `tfds`, not both"),
        ({"steps": "7"}, "`steps` must be of type int. Received: steps='7'"),
        ({"batch_size": 2.5}, "`batch_size` must be of type int"),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**values)
