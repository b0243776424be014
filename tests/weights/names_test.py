"""Tests of `gpt_keras.weights.names`."""

import pytest
from weights_testing import random_model

from gpt_keras.weights.names import FORMATS
from gpt_keras.weights.names import named_variables


@pytest.mark.parametrize("format", FORMATS)
def test_every_variable_has_a_name(format):
    model = random_model()
    found = named_variables(model, format)
    variables = {id(variable) for variable in model.trainable_variables}
    assert {id(variable) for variable in found.values()} == variables
    assert len(found) == len(variables)


def test_a_name_in_each_format():
    model = random_model()
    expected = model.blocks[1].attention.query_key_value.kernel
    names = (
        "h.1.attn.c_attn.weight",
        "h1/attn/c_attn/w",
        "transformer_layer_1/self_attention/query_key_value/kernel",
    )
    for format, name in zip(FORMATS, names, strict=True):
        assert named_variables(model, format)[name] is expected


def test_an_untied_head_has_a_name():
    model = random_model(tie_embeddings=False)
    found = named_variables(model, "hugging_face")
    assert found["lm_head.weight"] is model.final_layer.kernel
    assert len(found) == len(model.trainable_variables) - 1  # without its bias
