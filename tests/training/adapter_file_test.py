"""Tests of `gpt_keras.training.adapter_file`."""

import keras
import numpy as np
import pytest

from gpt_keras import GPTModel
from gpt_keras.layers.lora import adapters
from gpt_keras.layers.lora import enable_lora
from gpt_keras.training.adapter_file import load_adapters
from gpt_keras.training.adapter_file import save_adapters

IDS = np.arange(8).reshape(1, 8)


def _model(seed=0):
    keras.utils.set_random_seed(seed)
    model = GPTModel(20, 16, 2, 32, 8, num_layers=2)
    model.build((None, 8))
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "adapters.npz"


@pytest.fixture
def adapted(path):
    """A model with adapters that were saved."""
    model = _model()
    enable_lora(model, 2, 5.0)
    for variable in adapters(model):
        variable.assign(keras.random.normal(variable.shape))
    save_adapters(model, path)
    return model


def test_they_come_back(path, adapted):
    model = _model()
    load_adapters(model, path)
    np.testing.assert_array_equal(model(IDS), adapted(IDS))
    assert path.stat().st_size < 20_000


def test_other_weights_are_refused(path, adapted):
    model = _model(seed=1)
    with pytest.raises(ValueError, match="must meet the weights"):
        load_adapters(model, path)
    assert not adapters(model)


@pytest.mark.parametrize("size", [0, 100, -30])
def test_a_damaged_file_is_told(path, adapted, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="must be a file of adapters"):
        load_adapters(_model(), path)


def test_another_file_is_told(path):
    np.savez(path, weights=IDS)
    with pytest.raises(ValueError, match="without .*'alpha'.*'base'.*'rank'"):
        load_adapters(_model(), path)


def test_a_file_that_lacks_one_is_told(path, adapted):
    found = dict(np.load(path))
    name = next(name for name in found if name.endswith("lora_kernel_a"))
    del found[name]
    np.savez(path, **found)
    with pytest.raises(ValueError, match=f"others in .*{name}"):
        load_adapters(_model(), path)


def test_a_model_without_adapters_has_none_to_save(path):
    with pytest.raises(ValueError, match="must have adapters"):
        save_adapters(_model(), path)
    assert not path.exists()
