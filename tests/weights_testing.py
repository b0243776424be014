"""Tiny models with random weights for the tests of formats."""

import numpy as np

from gpt_keras.model import GPTModel
from gpt_keras.weights.architecture import GPT2

SIZES = dict(
    vocab_size=50,
    d_model=16,
    num_heads=2,
    dff=32,
    max_length=8,
    rate=0.0,
    num_layers=2,
    tie_embeddings=True,
)


def random_model(**arguments) -> GPTModel:
    """A GPT-2 whose every weight counts, but for the arguments given."""
    model = GPTModel(**SIZES | GPT2 | arguments)
    model.build((None, None))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable is not getattr(getattr(model, "final_layer", 0), "bias", 0):
            variable.assign(rng.normal(size=variable.shape, scale=0.3))
    return model


def assert_same_weights(model: GPTModel, other: GPTModel) -> None:
    """Compares all trained weights, bit for bit."""
    assert len(model.trainable_variables) == len(other.trainable_variables)
    for one, two in zip(
        model.trainable_variables, other.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(one, two, err_msg=one.path)
