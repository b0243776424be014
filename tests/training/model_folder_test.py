"""Tests of `gpt_keras.training.model_folder`."""

import dataclasses
import json

import numpy as np
import pytest

from gpt_keras.config import TrainConfig
from gpt_keras.model import GPTModel
from gpt_keras.training.checkpoint import TrainingCheckpoint
from gpt_keras.training.model_folder import claim
from gpt_keras.training.model_folder import load_model
from gpt_keras.training.model_folder import load_weights
from gpt_keras.training.model_folder import save_model
from gpt_keras.training.run_start import make_model
from gpt_keras.training.run_start import prepare_training

CONFIG = TrainConfig(
    d_model=16, num_heads=2, dff=32, num_layers=1, max_length=8
)


def _make_model(config):
    model = make_model(config, 30)
    prepare_training(config, model)
    return model


def _trained(folder, config=CONFIG):
    claim(folder, config, 30)
    model = _make_model(config)
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
    other = dataclasses.replace(CONFIG, d_model=32)
    with pytest.raises(ValueError, match="d_model: 16 there, 32 now"):
        claim(tmp_path, other, 30)
    with pytest.raises(ValueError, match="vocabulary: 30 there, 31 now"):
        claim(tmp_path, CONFIG, 31)


def test_a_document_mask_is_of_the_model_and_may_not_change(tmp_path):
    config = dataclasses.replace(CONFIG, document_mask=True)
    with pytest.raises(ValueError, match="needs the `end_of_text_id`"):
        claim(tmp_path, config, 30)
    claim(tmp_path, config, 30, end_of_text_id=7)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["model"]["document_separator_id"] == 7
    with pytest.raises(ValueError, match="document_mask: True there, False"):
        claim(tmp_path, CONFIG, 30, end_of_text_id=7)
    plain = tmp_path / "plain"
    claim(plain, CONFIG, 30, end_of_text_id=7)
    saved = json.loads((plain / "config.json").read_text())
    assert "document_separator_id" not in saved["model"]


def _longer(folder, step, steps, **settings):
    """Claims a run of 100 steps, and again as one of `steps`."""
    config = dataclasses.replace(CONFIG, steps=100, warmup_steps=10, **settings)
    claim(folder, config, 30)
    model = _make_model(config)
    TrainingCheckpoint(folder / "checkpoints", model).save(step, 0.0)
    claim(folder, dataclasses.replace(config, steps=steps), 30)
    return json.loads((folder / "config.json").read_text())["training"]


@pytest.mark.parametrize(
    "step, steps, settings",
    [
        (80, 200, {"schedule": "trapezoid", "decay_steps": 20}),
        (80, 90, {"schedule": "constant"}),
        (9, 200, {"schedule": "cosine"}),
        (80, 81, {"schedule": "constant"}),
    ],
)
def test_a_run_may_grow_before_its_decay(tmp_path, step, steps, settings):
    assert _longer(tmp_path, step, steps, **settings)["steps"] == steps


@pytest.mark.parametrize(
    "step, steps, settings, reason",
    [
        (
            90,
            200,
            {"schedule": "trapezoid", "decay_steps": 20},
            "learning rate",
        ),
        (20, 200, {"schedule": "cosine"}, "learning rate of the 20"),
        (80, 70, {"schedule": "constant"}, "80 are done"),
    ],
)
def test_a_run_may_not_grow_in_its_decay(
    tmp_path, step, steps, settings, reason
):
    with pytest.raises(ValueError, match=f"steps: 100 there.*{reason}"):
        _longer(tmp_path, step, steps, **settings)


def test_the_best_weights_and_the_averages_come_back(tmp_path):
    config = dataclasses.replace(CONFIG, ema_decay=0.5)
    claim(tmp_path, config, 30)
    model = _make_model(config)
    checkpoint = TrainingCheckpoint(tmp_path / "checkpoints", model)
    kernel = model.final_layer.kernel
    best = kernel.numpy()
    assert checkpoint.save_best(1, 2.0)
    kernel.assign_add(np.ones(kernel.shape, "float32"))
    assert not checkpoint.save_best(2, 2.5)
    assert not checkpoint.save_best(3, float("nan"))
    checkpoint.save(3, 0.0)
    loaded = load_model(tmp_path).final_layer.kernel
    np.testing.assert_array_equal(loaded, best)  # where the averages are still
    loaded = load_model(tmp_path, best=True).final_layer.kernel
    np.testing.assert_array_equal(loaded, best)
    again = TrainingCheckpoint(tmp_path / "checkpoints", model)
    again.restore()
    assert float(again.best_loss.numpy()) == 2.0
    with model.averaged_weights():
        kernel.assign_add(np.ones(kernel.shape, "float32"))
    assert again.save_best(4, 1.0)
    loaded = load_model(tmp_path, best=True).final_layer.kernel
    np.testing.assert_array_equal(loaded, best + 1)
    names = (tmp_path / "checkpoints" / "best").glob("*.index")
    assert [path.name for path in names] == ["ckpt-4.index"]


def test_fields_that_are_newer_than_a_folder_have_their_defaults(tmp_path):
    claim(tmp_path, CONFIG, 30)
    path = tmp_path / "config.json"
    saved = json.loads(path.read_text())
    del saved["training"]["ema_decay"]
    path.write_text(json.dumps(saved))
    claim(tmp_path, CONFIG, 30)
    path.write_text(json.dumps(saved))
    with pytest.raises(ValueError, match="ema_decay: 0.0 there, 0.5 now"):
        claim(tmp_path, dataclasses.replace(CONFIG, ema_decay=0.5), 30)


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


def _model(**arguments):
    sizes = dict(vocab_size=30, d_model=16, num_heads=2, dff=32, max_length=8)
    model = GPTModel(**{**sizes, "num_layers": 1} | arguments)
    model.build((None, None))
    return model


def _same(model, other):
    for one, two in zip(
        model.trainable_variables, other.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_a_model_alone_is_saved_and_loaded(tmp_path):
    model = _model(rate=0.2, norm_epsilon=1e-3, dtype="mixed_bfloat16")
    save_model(tmp_path, model)
    loaded = load_model(tmp_path)
    _same(loaded, model)
    assert {**loaded.get_config(), "name": ""} == {
        **model.get_config(),
        "name": "",
    }
    with pytest.raises(ValueError, match="not trained there"):
        claim(tmp_path, CONFIG, 30)


@pytest.mark.parametrize(("there", "here"), [(0.2, 0.0), (0.0, 0.2)])
def test_weights_go_into_a_model_of_another_dropout(tmp_path, there, here):
    model = _model(rate=there)
    save_model(tmp_path, model)
    other = _model(rate=here)
    load_weights(tmp_path, other)
    _same(other, model)


def test_weights_of_another_architecture_are_refused(tmp_path):
    _trained(tmp_path)
    other = _model(num_heads=4, norm="rms")
    with pytest.raises(ValueError) as error:
        load_weights(tmp_path, other)
    assert "num_heads: 2 there, 4 here" in str(error.value)
    assert "norm: 'layer' there, 'rms' here" in str(error.value)
