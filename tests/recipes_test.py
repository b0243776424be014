"""Tests of `gpt_keras.recipes`."""

from gpt_keras import GPTModel
from gpt_keras.recipes import MODEL_PRESETS
from gpt_keras.recipes import RECIPES


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
