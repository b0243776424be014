"""Tests of `gpt_keras.weights.openai`."""

import json

import numpy as np
import pytest
import tensorflow as tf
from weights_testing import assert_same_weights
from weights_testing import random_model

from gpt_keras.weights import openai
from gpt_keras.weights.names import named_variables

HPARAMS = {"n_vocab": 50, "n_ctx": 8, "n_embd": 16, "n_head": 2, "n_layer": 2}


def _model(**arguments):
    return random_model(**{"dff": 64, "rate": 0.1} | arguments)


def _tensors(model):
    """Weights as OpenAI has them: kernels with a leading 1."""
    found = {}
    for name, variable in named_variables(model, "openai").items():
        value = variable.numpy()
        found[f"model/{name}"] = value[None] if name.endswith("/w") else value
    return found


def _write(folder, tensors, **hparams):
    """Writes a checkpoint of TensorFlow 1, as OpenAI's are."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variables = {
            name: v1.Variable(value, use_resource=False)
            for name, value in tensors.items()
        }
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(variables)
        saver.save(session, str(folder / "model.ckpt"), write_meta_graph=False)
    (folder / "hparams.json").write_text(json.dumps({**HPARAMS, **hparams}))


def test_the_weights_are_read_bit_for_bit(tmp_path):
    _write(tmp_path, _tensors(_model()))
    model = openai.load_model(tmp_path)
    assert_same_weights(model, _model())
    assert model.tie_embeddings and model.num_heads == 2
    other = _model(initializer_stddev=0.5)
    other.final_norm.gamma.assign(np.zeros(16))
    openai.load_weights(tmp_path, other)
    assert_same_weights(other, model)


@pytest.mark.parametrize(
    ("hparams", "error"),
    [
        ({"n_vocab": 60}, r"'wte'.*\(60, 16\).*\(50, 16\)"),
        ({"n_ctx": 10**12}, "'wpe'.*Received"),
        ({"n_layer": 3}, "Missing: h2/ln_1/g"),
        ({"n_layer": 1}, "Additional: h1/attn"),
        ({"n_head": 5}, "`n_head`.*divisor of 16"),
        ({"n_embd": None}, "`n_embd`.*positive integer"),
    ],
)
def test_hparams_that_contradict_are_refused(tmp_path, hparams, error):
    _write(tmp_path, _tensors(_model()), **hparams)
    with pytest.raises(ValueError, match=error):
        openai.load_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("model/h1/mlp/c_fc/b", None, "Missing: h1/mlp/c_fc/b"),
        ("model/more", np.zeros(3, "float32"), "Additional: more"),
        ("model/ln_f/b", np.zeros(3, "float32"), r"'ln_f/b'.*\(16,\)"),
        (
            "model/ln_f/g",
            np.full(16, np.nan, "float32"),
            "'ln_f/g'.*must be finite",
        ),
    ],
)
def test_wrong_tensors_are_named(tmp_path, name, value, error):
    tensors = _tensors(_model())
    tensors.pop(name, None)
    if value is not None:
        tensors[name] = value
    _write(tmp_path, tensors)
    with pytest.raises(ValueError, match=error):
        openai.load_model(tmp_path)


def test_a_damaged_checkpoint_is_named(tmp_path):
    _write(tmp_path, _tensors(_model()))
    data = next(tmp_path.glob("*.data-*"))
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(ValueError, match="of the checkpoint in"):
        openai.load_model(tmp_path)
    next(tmp_path.glob("*.index")).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="model.ckpt' of the checkpoint"):
        openai.load_model(tmp_path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="must have hparams.json"):
        openai.load_model(tmp_path)
    (tmp_path / "hparams.json").write_text(json.dumps(HPARAMS))
    with pytest.raises(FileNotFoundError, match="must have `checkpoint`"):
        openai.load_model(tmp_path)


def test_another_architecture_is_refused(tmp_path):
    _write(tmp_path, _tensors(_model()))
    with pytest.raises(ValueError, match="dff: 64 there, 32 here"):
        openai.load_weights(tmp_path, random_model())
