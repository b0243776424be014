"""Tests of `gpt_keras.training.model_folder`."""

import dataclasses
import json

import numpy as np
import pytest

from gpt_keras.config import TrainConfig
from gpt_keras.training.checkpoint import TrainingCheckpoint
from gpt_keras.training.model_folder import claim
from gpt_keras.training.model_folder import load_model
from gpt_keras.training.trainer import _make_model

CONFIG = TrainConfig(
    d_model=16, num_heads=2, dff=32, num_layers=1, max_length=8
)


def _trained(folder, config=CONFIG):
    claim(folder, config, 30)
    model = _make_model(config, 30)
    TrainingCheckpoint(folder / "checkpoints", model).save(1, 0.0)
    return model


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_model_comes_back(tmp_path, dtype):
    model = _trained(tmp_path, dataclasses.replace(CONFIG, dtype=dtype))
    loaded = load_model(tmp_path)
    ids = np.array([[1, 2, 3]])
    assert loaded.dtype_policy.name == dtype
    np.testing.assert_array_equal(loaded(ids), model(ids))
    assert load_model(tmp_path, "float32").dtype_policy.name == "float32"


def test_a_folder_belongs_to_one_configuration(tmp_path):
    claim(tmp_path, CONFIG, 30)
    claim(tmp_path, dataclasses.replace(CONFIG, log_every=3), 30)
    other = dataclasses.replace(CONFIG, d_model=32, steps=7)
    with pytest.raises(ValueError, match="d_model: 16 there, 32 now; steps"):
        claim(tmp_path, other, 30)
    with pytest.raises(ValueError, match="vocabulary: 30 there, 31 now"):
        claim(tmp_path, CONFIG, 31)


def test_half_a_folder_is_told_from_a_whole_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model folder"):
        load_model(tmp_path)
    claim(tmp_path, CONFIG, 30)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_model(tmp_path)
    _trained(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match="half"):
        claim(tmp_path, CONFIG, 30)


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"format": 9})])
def test_a_broken_configuration_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match="config.json"):
        load_model(tmp_path)
