"""Tests of `gpt_keras.weights.surgery`."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.generation.scoring import score
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.layers.lora import enable_lora
from gpt_keras.serving.precision import with_precision
from gpt_keras.serving.signatures import make_signatures
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.weights.surgery import add_tokens
from gpt_keras.weights.surgery import pad_vocabulary
from gpt_keras.weights.surgery import resize_context

VOCAB, LENGTH = 50, 12
KINDS = {
    "tied": {"tie_embeddings": True, "position": "learned"},
    "untied": {"position": "sinusoidal", "norm_order": "post"},
    "no bias": {"use_bias": False, "position": "rotary"},
}
IDS = np.random.default_rng(0).integers(0, VOCAB, (4, LENGTH))


@functools.cache
def _model(kind="tied", dtype="float32", vocab_size=VOCAB):
    keras.utils.set_random_seed(0)
    options = {"num_layers": 1, "initializer_stddev": 0.2, "dtype": dtype}
    model = GPTModel(
        vocab_size, 16, 2, 32, LENGTH, 0.0, **options, **KINDS[kind]
    )
    model.build((None, LENGTH))
    if kind == "untied":
        model.final_layer.bias.assign(np.linspace(-1, 1, VOCAB))
    return model


def _copy(model):
    return pad_vocabulary(model, model.vocab_multiple)


@pytest.mark.parametrize("kind", KINDS)
def test_padded_gives_the_same_logits(kind):
    model, padded = _model(kind), pad_vocabulary(_model(kind), 64)
    assert padded.vocab_size == VOCAB
    assert padded.embedding.embeddings.shape == (64, 16)
    assert padded(IDS).shape == (4, LENGTH, VOCAB)
    assert padded.compute_output_shape((4, LENGTH)) == (4, LENGTH, VOCAB)
    np.testing.assert_allclose(padded(IDS), model(IDS), atol=1e-5)
    logits, _ = padded.step(IDS, padded.make_cache(4))
    np.testing.assert_allclose(logits, model(IDS), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("tied", {"chunk_tokens": 7}),
        ("untied", {"chunk_tokens": 7}),
        ("no bias", {"chunk_tokens": 0}),
        ("tied", {"metrics": ["accuracy"]}),
    ],
    ids=["tied", "untied", "whole", "logits"],
)
def test_padded_is_trained_the_same(kind, settings):
    """Were padding seen, it would have a share of the probability."""
    models = [_copy(_model(kind)), pad_vocabulary(_model(kind), 64)]
    losses = []
    for model in models:
        optimizer = keras.optimizers.SGD(0.5, global_clipnorm=1.0)
        model.compile(optimizer, **settings)
        history = model.fit(IDS, IDS[:, ::-1], epochs=2, verbose=0).history
        losses.append([*history["loss"], *history["gradient_norm"]])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    plain, padded = models
    np.testing.assert_array_equal(padded.embedding.embeddings[VOCAB:], 0)
    back = pad_vocabulary(padded, 1)
    for weight, value in zip(back.weights, plain.weights, strict=True):
        np.testing.assert_allclose(weight, value, atol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_padded_has_a_finite_loss_in_16_bits(dtype):
    model = _model("untied", dtype)
    losses = []
    for each in (_copy(model), pad_vocabulary(model, 64)):
        each.compile(keras.optimizers.SGD(0.1), chunk_tokens=7)
        losses.append(each.evaluate(IDS, IDS, verbose=0))
        each.fit(IDS, IDS, verbose=0)
        assert np.isfinite(each.embedding.embeddings).all()
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_padded_writes_scores_and_serves_the_same():
    tokenizer = CharacterTokenizer("".join(map(chr, range(97, 145))))
    assert tokenizer.vocab_size == VOCAB
    results = []
    for model in (_model(), pad_vocabulary(_model(), 64)):
        generator = TextGenerator(model, tokenizer)
        settings = {"temperature": 1.5, "seed": [1, 2, 3], "overflow": "roll"}
        texts = generator.generate(["a", "bc", ""], **settings)
        scores = score(
            model, tokenizer, tf.constant(["ab"]), tf.constant(["cd"])
        )
        signatures = make_signatures(model, tokenizer, names=["logits"])
        logits = signatures["logits"].trace()(
            token_ids=tf.constant(IDS[:1, :4], tf.int32),
            lengths=tf.constant([4]),
        )
        results.append(([each.text for each in texts], scores, logits))
    (texts, scores, logits), padded = results
    assert padded[0] == texts and len(texts[0]) > 3
    np.testing.assert_allclose(padded[1].logprobs, scores.logprobs, atol=1e-4)
    np.testing.assert_allclose(padded[2]["logits"], logits["logits"], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_padded_can_be_quantized(kind):
    model = _model(kind)
    expected = with_precision(model, quantize="int8")(IDS)
    padded = with_precision(pad_vocabulary(model, 64), quantize="int8")
    np.testing.assert_allclose(padded(IDS), expected, atol=1e-4)


def test_padded_refuses_ids_of_padding():
    with pytest.raises(ValueError, match="vocab_size=50"):
        pad_vocabulary(_model(), 64)(np.array([[50]]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("multiple", [1, 64])
def test_new_tokens_change_no_old_logits(kind, multiple):
    model = _model(kind)
    grown = add_tokens(pad_vocabulary(model, multiple), 3, seed=1)
    assert grown.vocab_size == VOCAB + 3
    assert grown.vocab_multiple == multiple
    logits = np.array(grown(IDS))
    np.testing.assert_allclose(logits[..., :VOCAB], model(IDS), atol=1e-5)
    old = np.array(model.embedding.embeddings)
    new = np.array(grown.embedding.embeddings)[VOCAB : VOCAB + 3]
    spread = np.abs(new - old.mean(0)) / old.std(0)
    assert 0 < spread.max() < 0.05 and len(np.unique(new)) == new.size
    # Not above an average token.
    assert (
        logits[..., VOCAB:] < logits[..., :VOCAB].max(-1, keepdims=True)
    ).all()


def test_the_seed_of_new_tokens_decides():
    first, again, other = (
        np.array(add_tokens(_model(), 2, seed).embedding.embeddings)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first[VOCAB:] != other[VOCAB:]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_length", [5, 30])
def test_another_context_computes_the_same_on_short_texts(kind, max_length):
    model = _model(kind)
    resized = resize_context(model, max_length)
    assert resized.max_length == max_length
    ids = IDS[:, :5]
    np.testing.assert_array_equal(resized(ids), model(ids))
    longest = np.zeros((1, max_length), int)
    assert np.isfinite(resized(longest)).all()
    with pytest.raises(ValueError, match=f"max_length={max_length}"):
        resized(np.zeros((1, max_length + 1), int))


def test_new_positions_are_copies_from_the_first_on():
    table = np.array(_model().positional_encoding.table)
    grown = np.array(resize_context(_model(), 30).positional_encoding.table)
    np.testing.assert_array_equal(grown, np.tile(table, (3, 1))[:30])


def test_the_dtype_stays():
    model = _model("tied", "bfloat16")
    padded = add_tokens(pad_vocabulary(model, 64), 2)
    assert padded.embedding.embeddings.dtype == "bfloat16"
    np.testing.assert_allclose(
        padded(IDS)[..., :VOCAB], model(IDS), rtol=0.02, atol=0.02
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: pad_vocabulary(m, 0), "`vocab_multiple` must be positive"),
        (lambda m: add_tokens(m, 0), "`count` must be positive. .*count=0"),
        (lambda m: resize_context(m, 0), "`max_length` must be positive"),
    ],
)
def test_bad_sizes_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        change(_model())


def test_adapters_and_unbuilt_models_are_refused():
    model = _copy(_model())
    enable_lora(model, 2)
    with pytest.raises(ValueError, match="one that has adapters"):
        resize_context(model, 5)
    with pytest.raises(ValueError, match="one not built"):
        add_tokens(GPTModel(50, 16, 2, 32, 12), 1)
