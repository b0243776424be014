"""Tests of `gpt_keras.weights.hugging_face`."""

import json

import ml_dtypes
import numpy as np
import pytest
from weights_testing import assert_same_weights
from weights_testing import random_model

from gpt_keras.model import GPTModel
from gpt_keras.weights import hugging_face
from gpt_keras.weights.safetensors import SafetensorsFile
from gpt_keras.weights.safetensors import write_safetensors


@pytest.fixture
def folder(tmp_path):
    """A folder that `save` wrote."""
    hugging_face.save(tmp_path, random_model(), 3)
    return tmp_path


def _tensors(folder):
    file = SafetensorsFile(folder / "model.safetensors")
    return {name: file.read(name) for name in file.entries}


def _write(path, tensors):
    shapes = {name: (str(x.dtype), x.shape) for name, x in tensors.items()}
    write_safetensors(path, shapes, tensors.values())


def _rewrite(folder, change):
    """Changes the tensors of a folder."""
    tensors = _tensors(folder)
    change(tensors)
    _write(folder / "model.safetensors", tensors)


def _reconfigure(folder, **fields):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, **fields}))


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path, tied):
    model = random_model(tie_embeddings=tied, rate=0.25, norm_epsilon=1e-4)
    hugging_face.save(tmp_path, model, 3)
    again = hugging_face.load_model(tmp_path)
    assert_same_weights(again, model)
    expected, found = model.get_config(), again.get_config()
    assert {**found, "name": ""} == {**expected, "name": ""}
    ids = np.arange(10).reshape(2, 5)
    np.testing.assert_array_equal(again(ids), model(ids))


def test_the_files_have_hugging_faces_names(folder):
    names = SafetensorsFile(folder / "model.safetensors").entries
    assert names["transformer.h.1.attn.c_attn.weight"].shape == (16, 48)
    assert "lm_head.weight" not in names
    assert len(names) == 4 + 12 * 2
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["eos_token_id"] == 3


def test_the_head_is_transposed(tmp_path):
    model = random_model(tie_embeddings=False)
    hugging_face.save(tmp_path, model, 3)
    head = _tensors(tmp_path)["lm_head.weight"]
    np.testing.assert_array_equal(head.T, model.final_layer.kernel)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits_are_read_exactly(folder, dtype):
    kind = np.float16 if dtype == "float16" else ml_dtypes.bfloat16
    tensors = {name: x.astype(kind) for name, x in _tensors(folder).items()}
    _write(folder / "model.safetensors", tensors)
    model = hugging_face.load_model(folder)
    expected = tensors["transformer.wte.weight"].astype("float32")
    np.testing.assert_array_equal(model.embedding.embeddings, expected)


def test_a_model_in_bfloat16_is_saved_as_such(tmp_path):
    model = random_model(dtype="bfloat16")
    hugging_face.save(tmp_path, model, 3)
    file = SafetensorsFile(tmp_path / "model.safetensors")
    assert {entry.dtype for entry in file.entries.values()} == {"BF16"}
    again = hugging_face.load_model(tmp_path, dtype="bfloat16")
    assert_same_weights(again, model)


def test_no_prefix_and_masks_and_a_tied_head_are_read(folder):
    expected = hugging_face.load_model(folder)

    def change(tensors):
        for name in list(tensors):
            plain = name.removeprefix("transformer.")
            tensors[plain] = tensors.pop(name)
        tensors["h.0.attn.bias"] = np.ones((1, 1, 8, 8), "float32")
        tensors["h.1.attn.masked_bias"] = np.array(-1e4, "float32")
        tensors["lm_head.weight"] = tensors["wte.weight"]

    _rewrite(folder, change)
    assert_same_weights(hugging_face.load_model(folder), expected)


def _shard(folder):
    tensors = _tensors(folder)
    (folder / "model.safetensors").unlink()
    names, places = sorted(tensors), {}
    for number, part in enumerate((names[:9], names[9:]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        _write(folder / file, {name: tensors[name] for name in part})
        places |= dict.fromkeys(part, file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index, places


def test_several_files_are_read(folder):
    expected = hugging_face.load_model(folder)
    index, places = _shard(folder)
    assert_same_weights(hugging_face.load_model(folder), expected)
    places.popitem()
    index.write_text(json.dumps({"weight_map": places}))
    with pytest.raises(ValueError, match="weight_map.*wte.weight"):
        hugging_face.load_model(folder)
    index.write_text(json.dumps({"weight_map": {"a": "../a.safetensors"}}))
    with pytest.raises(ValueError, match="files of that folder.*'../a"):
        hugging_face.load_model(folder)
    index.write_text(json.dumps({"weight_map": {"a": "b.safetensors"}}))
    with pytest.raises(FileNotFoundError, match="must have b.safetensors"):
        hugging_face.load_model(folder)


def test_a_pickle_is_refused_with_the_reason(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pytorch_model.bin, which is a pick"):
        hugging_face.load_model(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match="model.safetensors"):
        hugging_face.load_model(folder)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda x: x.pop("transformer.h.1.ln_2.bias"), "Missing: h.1.ln_2.b"),
        (
            lambda x: x.update({"adapter": np.ones(3, "float32")}),
            "Additional: adapter",
        ),
        (
            lambda x: x.update({"wpe.weight": np.ones((8, 16), "float32")}),
            "'wpe.weight'.*once",
        ),
        (
            lambda x: x.update(
                {"transformer.h.0.ln_1.bias": np.ones(8, "float32")}
            ),
            r"'h.0.ln_1.bias'.*shape \(16,\).*Received: \(8,\)",
        ),
        (
            lambda x: x["transformer.h.1.mlp.c_fc.bias"].fill(np.nan),
            "'h.1.mlp.c_fc.bias'.*must be finite",
        ),
        (
            lambda x: x.update({"lm_head.weight": np.ones((50, 16), "f4")}),
            "tie_word_embeddings.*'lm_head.weight'",
        ),
        (
            lambda x: x.update(
                {"transformer.ln_f.bias": np.ones(16, "float16")[:8]}
            ),
            "'ln_f.bias'.*shape",
        ),
    ],
)
def test_wrong_tensors_are_named(folder, change, error):
    _rewrite(folder, change)
    with pytest.raises(ValueError, match=error):
        hugging_face.load_model(folder)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"model_type": "llama"}, "`model_type`.*'gpt2'.*'llama'"),
        ({"activation_function": "relu"}, "`activation_function`.*'relu'"),
        ({"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx`"),
        ({"add_cross_attention": 0}, "`add_cross_attention`.*=0"),
        ({"vocab_size": "50"}, "`vocab_size`.*positive integer.*'50'"),
        ({"n_layer": 0}, "`n_layer`.*=0"),
        ({"n_head": 3}, "`n_head`.*divisor of 16.*=3"),
        ({"layer_norm_epsilon": "x"}, "`layer_norm_epsilon`.*number"),
        ({"vocab_size": 51}, r"'wte.weight'.*\(51, 16\).*\(50, 16\)"),
        ({"n_positions": 10**12}, r"'wpe.weight'.*Received: \(8, 16\)"),
        ({"n_layer": 3}, "Missing: h.2.mlp.c_fc.weight"),
        ({"n_layer": 1}, "Additional: h.1"),
        ({"n_inner": 40}, r"c_fc.weight'.*\(16, 40\).*\(16, 32\)"),
        ({"tie_word_embeddings": False}, "Missing: lm_head.weight"),
    ],
)
def test_a_config_that_contradicts_the_weights_is_refused(
    folder, fields, error
):
    _reconfigure(folder, **fields)
    with pytest.raises(ValueError, match=error):
        hugging_face.load_model(folder)


def test_a_config_that_is_none_is_refused(folder):
    (folder / "config.json").write_text("[1]")
    with pytest.raises(ValueError, match="config.json.*JSON object.*list"):
        hugging_face.load_model(folder)
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="must have config.json"):
        hugging_face.load_model(folder)


def test_weights_go_into_a_model_of_the_same_architecture_only(folder):
    model = GPTModel(**hugging_face.model_arguments(folder) | {"rate": 0.5})
    model.build((None, 8))
    hugging_face.load_weights(folder, model)
    assert_same_weights(model, hugging_face.load_model(folder))
    other = random_model(num_heads=4, activation="relu")
    with pytest.raises(ValueError) as error:
        hugging_face.load_weights(folder, other)
    assert "num_heads: 2 there, 4 here" in str(error.value)
    assert "activation: 'gelu' there, 'relu' here" in str(error.value)
    assert "rate" not in str(error.value)


def test_what_gpt2_is_not_is_refused_with_all_reasons(tmp_path):
    model = random_model(
        position="rotary", qk_norm=True, norm="rms", use_bias=False
    )
    with pytest.raises(ValueError) as error:
        hugging_face.save(tmp_path, model, 3)
    for name in ("position", "qk_norm", "norm", "use_bias"):
        assert f"{name} is " in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_head_with_a_bias_is_refused(tmp_path):
    model = random_model(tie_embeddings=False)
    model.final_layer.bias.assign(np.ones(50))
    with pytest.raises(ValueError, match="the head has a bias"):
        hugging_face.save(tmp_path, model, 3)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = random_model()
    model.final_norm.beta.assign(np.full(16, np.inf))
    with pytest.raises(ValueError, match="'ln_f.bias'.*must be finite"):
        hugging_face.save(tmp_path, model, 3)
