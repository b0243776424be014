"""Tests of what tells models and passages apart."""

import json

import numpy as np
from evaluation_testing import ByteTokenizer
from evaluation_testing import FakeModel
from evaluation_testing import gpt

from gpt_keras.evaluation.identity import model_identity
from gpt_keras.evaluation.identity import passages_digest
from gpt_keras.evaluation.identity import tokenizer_identity
from gpt_keras.evaluation.passages import Passage
from gpt_keras.model import GPTModel


def _copy(**changes):
    model = GPTModel.from_config(gpt().get_config() | changes)
    model(np.zeros((1, 1), np.int32))
    model.set_weights(gpt().get_weights())
    return model


def test_a_copy_under_another_name_is_the_same_model():
    identity = model_identity(gpt())
    assert model_identity(_copy(name="other")) == identity
    assert identity["parameters"] == gpt().count_params()
    assert len(identity["weights_sha256"]) == 64
    json.dumps(identity)


def test_one_bit_of_a_weight_makes_another_model():
    model = _copy()
    values = np.array(model.weights[-1])
    values.view(np.uint32).flat[-1] ^= 1
    model.weights[-1].assign(values)
    one, other = model_identity(gpt()), model_identity(model)
    assert one["weights_sha256"] != other["weights_sha256"]
    assert one["config"] == other["config"]


def test_the_shape_of_a_weight_counts():
    models = [FakeModel(), FakeModel()]
    for model, shape in zip(models, [(2, 3), (3, 2)], strict=True):
        model.weights = [np.zeros(shape, np.float32)]
    one, other = map(model_identity, models)
    assert one["parameters"] == other["parameters"] == 6
    assert one["weights_sha256"] != other["weights_sha256"]


def test_the_configuration_counts():
    one, other = model_identity(gpt()), model_identity(_copy(num_heads=4))
    assert one["weights_sha256"] == other["weights_sha256"]
    assert one["config"] != other["config"]


def test_a_tokenizers_identity():
    assert tokenizer_identity(ByteTokenizer()) == {
        "kind": "byte",
        "vocab_size": 256,
        "fingerprint": "f",
    }


def test_passages_differ_by_ids_borders_and_what_is_scored():
    def passages(*rows):
        return [
            Passage(np.array(ids, np.int32), scored, "") for ids, scored in rows
        ]

    different = [
        passages(([1, 2, 3], 1)),
        passages(([1, 2, 4], 1)),
        passages(([1, 2, 3], 2)),
        passages(([1, 2, 3], 1), ([4, 5], 1)),
        passages(([1, 2], 1), ([3, 4, 5], 1)),
        [],
    ]
    assert len({passages_digest(each) for each in different}) == 6
    same = passages(([1, 2, 3], 1))[0]._replace(where="elsewhere")
    assert passages_digest([same]) == passages_digest(different[0])
