"""Tests of dtype and quantization of what is served, and of their cost."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.layers.lora import adapters
from gpt_keras.layers.lora import enable_lora
from gpt_keras.layers.lora import merged
from gpt_keras.model import GPTModel
from gpt_keras.serving import precision
from gpt_keras.serving.export import export_saved_model
from gpt_keras.serving.precision import loss_difference
from gpt_keras.serving.precision import with_precision
from gpt_keras.text.character_tokenizer import CharacterTokenizer

TOKEN_IDS = np.random.default_rng(0).integers(0, 50, (5, 24)).astype(np.int32)
KINDS = {
    "tied": dict(tie_embeddings=True, position="learned", use_bias=False),
    "untied": dict(position="rotary", qk_norm=True, norm="rms", rate=0.1),
}


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
    return model


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_bfloat16_is_of_weights_computation_and_cache(kind):
    model = make_model(**kind)
    served = with_precision(model, "bfloat16")
    assert {weight.dtype for weight in served.weights} == {"bfloat16"}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    for new, old in zip(served.weights, model.weights, strict=True):
        rounded = tf.cast(old.value, tf.bfloat16)
        np.testing.assert_array_equal(new.numpy(), rounded.numpy())
    floats = [x for block in served.make_cache(1) for x in block[:2]]
    assert {x.dtype for x in floats} == {tf.bfloat16}
    hidden, _ = served.hidden_states(TOKEN_IDS)
    assert hidden.dtype == tf.bfloat16
    logits = served(TOKEN_IDS)
    assert logits.dtype == tf.float32
    exact = model(TOKEN_IDS).numpy()
    assert 0 < np.abs(logits - exact).mean() < 0.05 * exact.std()


@pytest.mark.parametrize("trained", ["mixed_bfloat16", "bfloat16"])
def test_float32_of_what_was_trained_in_16_bits(trained, kind):
    model = make_model(trained, **kind)
    served = with_precision(model, "float32")
    assert served.dtype_policy.name == "float32"
    oracle = make_model(**kind)
    oracle.set_weights([np.float32(w) for w in model.get_weights()])
    np.testing.assert_array_equal(served(TOKEN_IDS), oracle(TOKEN_IDS))


@pytest.mark.parametrize(
    ("dtype", "expected"), [(None, "float32"), ("bfloat16", "bfloat16")]
)
def test_int8_with_each_dtype(dtype, expected, kind):
    model = make_model(**kind)
    served = with_precision(model, dtype, "int8")
    assert served.dtype_policy.name == expected
    sizes = {"int8": 0, "float32": 0, "bfloat16": 0}
    for weight in served.weights:
        sizes[weight.dtype] += np.prod(weight.shape)
    matrices = [w for w in model.weights if len(w.shape) > 1]
    assert sizes["int8"] == sum(np.prod(w.shape) for w in matrices)
    assert (sizes["bfloat16"] > 0) == (dtype == "bfloat16")
    hidden, _ = served.hidden_states(TOKEN_IDS)
    assert hidden.dtype == expected
    exact = model(TOKEN_IDS).numpy()
    assert 0 < np.abs(served(TOKEN_IDS) - exact).mean() < 0.1 * exact.std()


def test_the_sizes_stay(kind):
    model = make_model(**kind)
    for served in (
        with_precision(model, "bfloat16"),
        with_precision(model, quantize="int8"),
    ):
        assert served.vocab_size == 50 and served.max_length == 24
        assert served.make_cache(2, 7)[1].keys.shape == (2, 2, 7, 8)
        assert served.built


@pytest.mark.parametrize("trained", ["float32", "mixed_bfloat16", "bfloat16"])
def test_nothing_to_change_is_the_model_itself(trained):
    model = make_model(trained)
    assert with_precision(model) is model
    if trained == "mixed_bfloat16":  # its weights are float32
        served = with_precision(model, "bfloat16")
        assert {weight.dtype for weight in served.weights} == {"bfloat16"}
    else:
        assert with_precision(model, trained) is model


def test_a_cache_in_16_bits_changes_little(kind):
    served = with_precision(make_model(**kind), "bfloat16")
    logits, cache = served.step(TOKEN_IDS[:, :9], served.make_cache(5))
    rest, _ = served.step(TOKEN_IDS[:, 9:], cache)
    whole = served(TOKEN_IDS).numpy()
    stepped = np.concatenate([logits, rest], 1)
    assert np.abs(stepped - whole).mean() < 0.02 * whole.std()


def test_what_is_unknown_is_refused():
    model = make_model()
    with pytest.raises(ValueError, match=r"`dtype` must be.*dtype='float64'"):
        with_precision(model, "float64")
    with pytest.raises(ValueError, match=r"`dtype` must be.*dtype=''"):
        with_precision(model, "")
    with pytest.raises(ValueError, match=r"\['int8'\].*quantize='int4'"):
        with_precision(model, quantize="int4")
    unbuilt = GPTModel(50, 16, 2, 64, 24, num_layers=1)
    for arguments in ((None, None), ("bfloat16", None), (None, "int8")):
        with pytest.raises(ValueError, match="must be built.*not built"):
            with_precision(unbuilt, *arguments)


def mean_loss(model, token_ids):
    logits = model(token_ids).numpy().astype(np.float64)[:, :-1]
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    chances = exponentials / exponentials.sum(-1, keepdims=True)
    wanted = np.take_along_axis(chances, token_ids[:, 1:, None], -1)
    return -np.log(wanted).mean()


@pytest.mark.parametrize("max_logits", [1, 3 * 24 * 50, 2**25])
def test_the_loss_is_the_mean_cross_entropy(max_logits, monkeypatch, kind):
    monkeypatch.setattr(precision, "_MAX_LOGITS", max_logits)
    model = make_model(**kind)
    served = with_precision(model, quantize="int8")
    measured = loss_difference(model, served, TOKEN_IDS)
    expected = [mean_loss(model, TOKEN_IDS), mean_loss(served, TOKEN_IDS)]
    np.testing.assert_allclose(measured[:2], expected, rtol=1e-5)
    assert measured.difference == measured.loss - measured.reference_loss
    assert measured.difference != 0


def test_a_model_differs_from_itself_by_nothing():
    model = make_model()
    assert loss_difference(model, model, TOKEN_IDS[:, :2]).difference == 0


@pytest.mark.parametrize("shape", [(24,), (0, 4), (2, 1), (2, 25), (2, 0)])
def test_token_ids_of_a_wrong_shape_are_refused(shape):
    model = make_model()
    with pytest.raises(ValueError, match=r"at least one row.*shape \("):
        loss_difference(model, model, np.zeros(shape, np.int32))


def test_the_export_in_16_bits_is_half_the_size(tmp_path):
    tokenizer = CharacterTokenizer("abcdefghijklmnopqrstuvwxyz .,")
    model = GPTModel(40, 256, 2, 1024, 32, num_layers=1, initializer_stddev=0.1)
    model.build((None, 32))
    served = with_precision(model, "bfloat16")
    settings = dict(max_new_tokens=10, seed=3)
    path = export_saved_model(
        served, tokenizer, tmp_path / "gpt", signatures=(), **settings
    )
    variables = tmp_path / "gpt" / "1" / "variables"
    size = sum(file.stat().st_size for file in variables.iterdir())
    assert 2 < size / model.count_params() < 2.1
    loaded = tf.saved_model.load(path).signatures["serving_default"]
    prompts = ["the cat", "", "on"]
    texts = loaded(prompts=tf.constant(prompts))["completions"].numpy()
    expected = TextGenerator(served, tokenizer).generate(prompts, **settings)
    assert [text.decode() for text in texts] == [row.text for row in expected]


@pytest.mark.parametrize("options", [{}, {"quantize": "int8"}])
def test_adapters_are_merged(options):
    keras.utils.set_random_seed(0)  # the bound is of some weights
    model = make_model(**KINDS["tied"])
    enable_lora(model, 3)
    for variable in adapters(model):
        variable.assign(keras.random.normal(variable.shape, seed=0) * 0.1)
    served = with_precision(model, **options)
    assert not adapters(served)
    expected = with_precision(merged(model), **options)(TOKEN_IDS)
    np.testing.assert_array_equal(served(TOKEN_IDS), expected)
    assert np.abs(expected - model(TOKEN_IDS)).max() < 0.1
