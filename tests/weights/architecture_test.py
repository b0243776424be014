"""Tests of `gpt_keras.weights.architecture`."""

import pytest

from gpt_keras.model import GPTModel
from gpt_keras.weights.architecture import GPT2
from gpt_keras.weights.architecture import check_expressible
from gpt_keras.weights.architecture import check_same


def _model(**options):
    arguments = {**GPT2, "num_layers": 1, "tie_embeddings": True, **options}
    model = GPTModel(20, 8, 2, 16, 6, **arguments)
    model.build((None, None))
    return model


def test_a_context_counts_where_its_positions_are_weights():
    check_same(_model(position="rotary"), {"max_length": 12}, "there")
    with pytest.raises(ValueError, match="max_length: 12 there, 6 here"):
        check_same(_model(), {"max_length": 12}, "there")


def test_each_argument_that_differs_is_named():
    arguments = {"d_model": 16, "dff": 16, "num_layers": 2, "rate": 0.9}
    with pytest.raises(ValueError) as error:
        check_same(_model(), arguments, "folder")
    text = str(error.value)
    assert "'folder'" in text and "d_model: 16 there, 8 here" in text
    assert "num_layers: 2 there, 1 here" in text
    assert "dff" not in text and "rate" not in text


def test_what_was_learned_without_a_document_mask_may_go_on_with_one():
    masked = _model(document_separator_id=3)
    check_same(masked, _model().get_config() | {"name": masked.name}, "there")
    check_same(masked, {"d_model": 8}, "there")  # a format without masks
    for model, here in ((_model(), None), (_model(document_separator_id=4), 4)):
        message = f"document_separator_id: 3 there, {here} here"
        with pytest.raises(ValueError, match=message):
            check_same(model, {"document_separator_id": 3}, "there")


def test_a_padded_vocabulary_is_no_gpt2():
    check_expressible(_model(), "hugging_face")
    with pytest.raises(ValueError, match="vocab_multiple is 64, and always 1"):
        check_expressible(_model(vocab_multiple=64), "hugging_face")
