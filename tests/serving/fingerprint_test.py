"""Tests of the mark of an export."""

import dataclasses

import numpy as np

from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.watermark import Watermark
from gpt_keras.model import GPTModel
from gpt_keras.serving.fingerprint import TAG_BYTES
from gpt_keras.serving.fingerprint import make_fingerprint
from gpt_keras.serving.quantization import quantized_copy
from gpt_keras.text.character_tokenizer import CharacterTokenizer

TOKENIZER = CharacterTokenizer("abc")


def make_model(**switches):
    model = GPTModel(8, 8, 2, 8, max_length=4, num_layers=1, **switches)
    model.build((None, 4))
    for weight in model.weights:
        weight.assign(np.ones(weight.shape))
    return model


def test_equal_exports_have_one_mark_and_others_have_another():
    model = make_model()
    one = make_fingerprint(model, TOKENIZER, NO_POLICY)
    assert one == make_fingerprint(make_model(), TOKENIZER, NO_POLICY)
    assert len(one.tag) == TAG_BYTES and int(one.tag, 16) >= 0
    trained = make_model()
    trained.weights[-1].assign(trained.weights[-1] + 1e-6)
    policies = [{"redact": ("email",)}, {"max_new_tokens": 5}]
    others = [
        make_fingerprint(trained, TOKENIZER, NO_POLICY),
        make_fingerprint(quantized_copy(model), TOKENIZER, NO_POLICY),
        make_fingerprint(make_model(dtype="bfloat16"), TOKENIZER, NO_POLICY),
        make_fingerprint(make_model(activation="gelu"), TOKENIZER, NO_POLICY),
        make_fingerprint(model, CharacterTokenizer("abd"), NO_POLICY),
        *(
            make_fingerprint(
                model, TOKENIZER, dataclasses.replace(NO_POLICY, **change)
            )
            for change in policies
        ),
    ]
    tags = {mark.tag for mark in [one, *others]}
    keys = {mark.key for mark in [one, *others]}
    assert len(tags) == len(keys) == 1 + len(others)


def test_secrets_are_not_in_the_mark():
    model = make_model()
    secret = dataclasses.replace(
        NO_POLICY, banned=("a",), watermark=Watermark(key=3)
    )
    marks = [make_fingerprint(model, TOKENIZER, x) for x in (NO_POLICY, secret)]
    assert marks[0] == marks[1]
