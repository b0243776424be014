"""Tests of the quantized copy against a model with the rounded weights."""

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.serving.export import export_saved_model
from gpt_keras.serving.int8_matrix import quantize_rows
from gpt_keras.serving.quantization import quantized_copy
from gpt_keras.text.character_tokenizer import CharacterTokenizer

KINDS = {
    "defaults": {},
    "gpt2": dict(
        position="learned",
        activation="gelu",
        tie_embeddings=True,
        scale_embeddings=False,
    ),
    "tied_without_bias": dict(
        tie_embeddings=True, use_bias=False, norm="rms", norm_order="post"
    ),
    "rotary": dict(
        position="rotary", qk_norm=True, use_bias=False, norm="rms", rate=0.1
    ),
    "learned_post": dict(position="learned", norm_order="post"),
}
TOKEN_IDS = np.random.default_rng(0).integers(0, 50, (3, 24)).astype(np.int32)


def make_model(dtype="float32", **switches):
    model = GPTModel(
        50,
        16,
        2,
        64,
        24,
        num_layers=2,
        initializer_stddev=0.3,
        dtype=dtype,
        **switches,
    )
    model.build((None, 24))
    rng = np.random.default_rng(1)  # biases and norms are not at their start
    model.set_weights(
        [w + rng.normal(size=w.shape) * 0.1 for w in model.get_weights()]
    )
    return model


def rounded(model):
    """The model in float, each matrix on the grid of its int8 rows."""

    def round_matrix(weight):
        if len(weight.shape) < 2:
            return weight.numpy()
        is_kernel = weight.name == "kernel"
        matrix = weight.numpy().T if is_kernel else weight.numpy()
        values, scale = quantize_rows(matrix)
        matrix = values * scale[:, None]
        return matrix.T if is_kernel else matrix

    config = model.get_config() | {"dtype": "float32"}
    copy = GPTModel.from_config(config)
    copy.build((None, 24))
    copy.set_weights([round_matrix(weight) for weight in model.weights])
    return copy


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_logits_are_those_of_the_rounded_weights(kind):
    model = make_model(**kind)
    before = model.get_weights()
    logits = quantized_copy(model)(TOKEN_IDS).numpy()
    np.testing.assert_allclose(logits, rounded(model)(TOKEN_IDS), atol=1e-4)
    exact = model(TOKEN_IDS).numpy()
    assert 1e-4 < np.abs(logits - exact).mean() < 0.1 * exact.std()
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("trained", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_logits_in_16_bits(trained, dtype):
    model = make_model(trained, **KINDS["gpt2"])
    copy = quantized_copy(model, dtype)
    assert copy.dtype_policy.name == (dtype or trained)
    logits = copy(TOKEN_IDS)
    assert logits.dtype == tf.float32
    expected = rounded(model)(TOKEN_IDS).numpy()
    error = np.abs(logits - expected).mean()
    assert error < 0.05 * expected.std()
    biases = {w.dtype for w in copy.weights if w.name in ("bias", "beta")}
    assert biases == {dtype or "float32"}


def test_float16_does_not_overflow():
    model = make_model("mixed_float16", **KINDS["gpt2"])
    logits = quantized_copy(model)(TOKEN_IDS)
    expected = rounded(model)(TOKEN_IDS).numpy()
    np.testing.assert_allclose(logits, expected, atol=0.05 * expected.std())


def test_every_matrix_is_int8_and_nothing_else_is(kind):
    model = make_model(**kind)
    copy = quantized_copy(model)
    kept = {w.path: w for w in copy.weights}
    assert copy.trainable_weights == []
    for weight in model.weights:
        if len(weight.shape) < 2:
            np.testing.assert_array_equal(kept.pop(weight.path), weight)
            continue
        values = kept.pop(f"{weight.path}/values")
        scale = kept.pop(f"{weight.path}/scale")
        assert (values.dtype, scale.dtype) == ("int8", "float32")
        assert np.prod(values.shape) == np.prod(weight.shape)
        assert scale.shape == values.shape[:1]
    assert kept == {}


def test_a_cache_changes_nothing(kind):
    copy = quantized_copy(make_model(**kind))
    cache = copy.make_cache(3)
    pieces = []
    for piece in np.split(TOKEN_IDS, [5, 6, 7, 20], axis=1):
        logits, cache = copy.step(piece, cache)
        pieces.append(logits)
    np.testing.assert_allclose(
        np.concatenate(pieces, 1), copy(TOKEN_IDS), atol=1e-4
    )


def test_rows_do_not_depend_on_each_other(kind):
    copy = quantized_copy(make_model(**kind))
    single = np.concatenate([copy(row[None]) for row in TOKEN_IDS])
    np.testing.assert_allclose(single, copy(TOKEN_IDS), atol=1e-4)


def test_a_weight_that_is_not_finite_is_refused():
    model = make_model()
    model.final_layer.bias.assign(np.full(50, np.nan))
    quantized_copy(model)  # a bias stays as it is
    model.final_layer.kernel.assign(np.full((16, 50), np.nan))
    with pytest.raises(ValueError, match="must be finite"):
        quantized_copy(model)


PROMPTS = ["the cat", "", "on the mat ", "zzz"]
SETTINGS = dict(max_new_tokens=10, temperature=0.9, seed=3)


@pytest.fixture(scope="module")
def tokenizer():
    return CharacterTokenizer("abcdefghijklmnopqrstuvwxyz .,")


def test_the_export_writes_what_the_copy_writes(tokenizer, tmp_path):
    copy = quantized_copy(make_model(**KINDS["gpt2"]))
    path = export_saved_model(
        copy, tokenizer, tmp_path / "gpt", signatures=(), **SETTINGS
    )
    loaded = tf.saved_model.load(path).signatures["serving_default"]
    texts = loaded(prompts=tf.constant(PROMPTS))["completions"].numpy()
    expected = TextGenerator(copy, tokenizer).generate(PROMPTS, **SETTINGS)
    assert [text.decode() for text in texts] == [row.text for row in expected]
    assert any(row.text for row in expected)


def test_the_exported_file_has_a_byte_for_each_number(tokenizer, tmp_path):
    model = GPTModel(64, 256, 2, 1024, 64, num_layers=1, tie_embeddings=True)
    model.build((None, 64))
    path = export_saved_model(
        quantized_copy(model), tokenizer, tmp_path / "gpt", signatures=()
    )
    variables = tmp_path / "gpt" / "1" / "variables"
    size = sum(file.stat().st_size for file in variables.iterdir())
    assert model.count_params() < size < 1.06 * model.count_params()
    reader = tf.train.load_checkpoint(f"{path}/variables/variables")
    types = reader.get_variable_to_dtype_map()
    matrices = [
        types[name]
        for name, shape in reader.get_variable_to_shape_map().items()
        if len(shape) > 1
    ]
    assert len(matrices) == 5
    assert set(matrices) == {tf.int8}
