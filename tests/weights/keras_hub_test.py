"""Tests of `gpt_keras.weights.keras_hub`."""

import json

import h5py
import keras
import keras_nlp
import numpy as np
import pytest
from text_testing import english
from weights_testing import assert_same_weights
from weights_testing import random_model

from gpt_keras.text.tokenizer_training import train_byte_pair
from gpt_keras.weights import keras_hub

TOKENIZER = train_byte_pair([english()[:5000]], 270)
TEXT = "The quick brown fox"


def _model(**arguments):
    return random_model(**{"vocab_size": 270} | arguments)


def _save(folder, model):
    content = TOKENIZER.content()
    keras_hub.save(folder, model, content["vocabulary"], content["merges"])


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A folder that `save` wrote."""
    folder = tmp_path_factory.mktemp("preset")
    _save(folder, _model(rate=0.25))
    return folder


def test_kerashub_opens_it_and_computes_the_same(preset):
    peer = keras_nlp.models.GPT2CausalLM.from_preset(str(preset))
    ids = np.random.default_rng(0).integers(0, 270, (3, 8))
    inputs = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    theirs, ours = np.asarray(peer(inputs)), np.asarray(_model()(ids))
    largest = np.abs(theirs).max()
    assert np.abs(theirs - ours).max() <= 2e-4 * largest
    np.testing.assert_array_equal(theirs.argmax(-1), ours.argmax(-1))
    tokenizer = peer.preprocessor.tokenizer
    assert [*tokenizer(TEXT)] == TOKENIZER.encode(TEXT)
    assert tokenizer.end_token_id == TOKENIZER.end_of_text_id


def test_it_comes_back_bit_for_bit(preset):
    model = keras_hub.load_model(str(preset))
    assert_same_weights(model, _model())
    assert model.rate == 0.25
    other = _model(rate=0.5)
    other.final_norm.gamma.assign(np.zeros(16))
    keras_hub.load_weights(str(preset), other)
    assert_same_weights(other, model)
    vocabulary, merges = keras_hub.read_vocabulary(str(preset))
    content = TOKENIZER.content()
    assert vocabulary == content["vocabulary"] and merges == content["merges"]


def test_kerashubs_own_preset_is_read(tmp_path):
    keras.utils.set_random_seed(1)
    peer = keras_nlp.models.GPT2Backbone(
        vocabulary_size=50,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_sequence_length=8,
    )
    peer.save_to_preset(str(tmp_path))
    model = keras_hub.load_model(str(tmp_path))
    ids = np.arange(8)[None]
    states = peer({"token_ids": ids, "padding_mask": np.ones_like(ids)})
    theirs = np.asarray(peer.token_embedding(states, reverse=True))
    np.testing.assert_allclose(model(ids), theirs, atol=1e-5)


def test_what_kerashub_lacks_is_refused_with_all_reasons(tmp_path):
    model = random_model(
        tie_embeddings=False, norm_epsilon=1e-6, activation="relu_squared"
    )
    with pytest.raises(ValueError) as error:
        _save(tmp_path, model)
    for reason in (
        "tie_embeddings is False",
        "norm_epsilon is 1e-06",
        "activation is 'relu_squared'",
    ):
        assert reason in str(error.value)
    assert not list(tmp_path.iterdir())


def _config(preset, tmp_path):
    """A copy whose configuration a test may change."""
    for path in preset.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(preset)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return tmp_path / "config.json"


def test_a_config_that_contradicts_the_weights_is_refused(preset, tmp_path):
    path = _config(preset, tmp_path)
    config = json.loads(path.read_text())
    config["config"]["hidden_dim"] = 32
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="KerasHub must be able to read"):
        keras_hub.load_model(str(tmp_path))


def test_another_model_is_refused(preset, tmp_path):
    peer = keras_nlp.models.BertBackbone(50, 1, 2, 8, 16, max_sequence_length=8)
    peer.save_to_preset(str(tmp_path))
    with pytest.raises(ValueError, match="GPT-2"):
        keras_hub.load_model(str(tmp_path))


def test_weights_that_are_not_finite_are_refused(preset, tmp_path):
    _config(preset, tmp_path)

    def spoil(name, item):
        if name.endswith("layer_norm/vars/0") and item.shape == (16,):
            item[3] = np.nan

    with h5py.File(tmp_path / "model.weights.h5", "r+") as file:
        file.visititems(spoil)
    with pytest.raises(ValueError, match="norm/gamma.*must be finite"):
        keras_hub.load_model(str(tmp_path))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises((OSError, ValueError), match="none"):
        keras_hub.load_model(str(tmp_path / "none"))


def test_a_file_that_is_missing_is_named(preset, tmp_path):
    _config(preset, tmp_path)
    (tmp_path / "model.weights.h5").unlink()
    with pytest.raises(FileNotFoundError, match="model.weights"):
        keras_hub.load_model(str(tmp_path))
