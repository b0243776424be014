"""Tests of `gpt_keras.model`."""

import random
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.layers import blockwise_attention
from gpt_keras.layers.positional_encoding import sinusoid

VARIANTS = {
    "document": {},
    "gpt2": {
        "position": "learned",
        "activation": "gelu",
        "tie_embeddings": True,
        "scale_embeddings": False,
    },
    "modern": {
        "position": "rotary",
        "activation": "relu_squared",
        "norm": "rms",
        "qk_norm": True,
        "use_bias": False,
        "scale_embeddings": False,
    },
    "post": {"norm_order": "post", "position": "learned"},
}


def _model(variant="document", seed=0, **options):
    keras.utils.set_random_seed(seed)
    options = {"num_layers": 2, **VARIANTS[variant], **options}
    options = {"rate": 0.0, **options}
    model = GPTModel(50, 16, 2, 32, 12, **options)
    model.build((None, None))
    return model


def _ids(batch=3, length=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 50, (batch, length)).astype("int32")


def _cached(model, token_ids, sizes):
    """Logits of `token_ids` computed in pieces of the given sizes."""
    cache, pieces, start = model.make_cache(len(token_ids)), [], 0
    for size in sizes:
        logits, cache = model.step(token_ids[:, start : start + size], cache)
        pieces.append(logits)
        start += size
    return np.concatenate(pieces, axis=1)


def test_the_call_of_the_document():
    model = GPTModel(100, 32, 4, 64, 16, 0.1)
    x = _ids(2, 10)
    logits = model(x, training=False, mask=None)
    assert logits.shape == (2, 10, 100)
    assert len(model.blocks) == 12
    dropped = model(x, training=True, mask=None)
    assert np.abs(np.array(logits - dropped)).max() > 1e-3


def test_the_wiring_of_the_document():
    """Embedding times √d_model, positions, blocks, norm, projection."""
    model, token_ids = _model(), _ids()
    x = model.embedding(token_ids) * 4.0 + sinusoid(np.arange(12), 16)
    for block in model.blocks:
        x = block(x)
    expected = model.final_layer(model.final_norm(x))
    np.testing.assert_allclose(model(token_ids), expected, atol=1e-5)


def test_the_wiring_of_gpt2():
    """Learned positions, unscaled embeddings that also project."""
    model, token_ids = _model("gpt2"), _ids()
    x = model.embedding(token_ids) + model.positional_encoding.table[:12]
    for block in model.blocks:
        x = block(x)
    expected = model.final_norm(x) @ np.transpose(model.embedding.embeddings)
    np.testing.assert_allclose(model(token_ids), expected, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_causality(variant):
    model, token_ids = _model(variant), _ids()
    logits = np.array(model(token_ids))
    for position in (1, 5, 11):
        changed = token_ids.copy()
        changed[:, position] = (changed[:, position] + 1) % 50
        other = np.array(model(changed))
        np.testing.assert_array_equal(other[:, :position], logits[:, :position])
        assert np.abs(other[:, position:] - logits[:, position:]).max() > 1e-4


@pytest.mark.parametrize("variant", VARIANTS)
def test_cached_equals_uncached(variant):
    model, token_ids = _model(variant), _ids()
    logits = np.array(model(token_ids))
    for sizes in ([1] * 12, [5, 1, 1, 5], [12]):
        difference = np.abs(_cached(model, token_ids, sizes) - logits).max()
        assert difference < 1e-5, sizes


@pytest.mark.parametrize("variant", VARIANTS)
def test_batched_equals_single(variant):
    model, token_ids = _model(variant), _ids()
    logits = np.array(model(token_ids))
    for row in range(3):
        alone = model(token_ids[row : row + 1])
        np.testing.assert_allclose(alone[0], logits[row], atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_attention_weights_are_shares_of_what_came_before(variant, dtype):
    model = _model(variant, dtype=dtype, initializer_stddev=0.4)
    weights = model.attention_weights(_ids(length=9))
    assert weights.shape == (2, 3, 2, 9, 9) and weights.dtype == "float32"
    weights = np.array(weights)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert (weights >= 0).all() and not np.triu(weights, 1).any()
    assert (weights[0] != weights[1]).any()
    last = model.attention_weights(_ids(length=9), layers=[1])
    np.testing.assert_array_equal(last, weights[1:])
    in_a_graph = tf.function(
        model.attention_weights,
        input_signature=[tf.TensorSpec([None, None], "int32")],
        autograph=False,
    )
    np.testing.assert_allclose(
        in_a_graph(_ids(length=9)),
        weights,
        atol=1e-5 if dtype == "float32" else 0.05,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_attention_weights_are_those_of_the_forward_pass(variant, monkeypatch):
    used, weights_of = [], blockwise_attention.attention_weights

    def kept(*arguments):
        used.append(weights_of(*arguments))
        return used[-1]

    model, token_ids = _model(variant, rate=0.5), _ids()
    mask = np.arange(12)[None] < [[12], [7], [9]]
    monkeypatch.setattr(blockwise_attention, "attention_weights", kept)
    model(token_ids, mask=mask)
    monkeypatch.undo()
    weights = model.attention_weights(token_ids, mask)
    np.testing.assert_array_equal(weights, np.stack(used))
    assert not np.array(weights)[:, 1, ..., 7:].any()


def test_padding_on_the_right_changes_nothing():
    model, token_ids = _model(), _ids(1, 7)
    padded = np.pad(token_ids, [(0, 0), (0, 5)], constant_values=3)
    mask = np.arange(12)[None] < 7
    np.testing.assert_allclose(
        np.array(model(padded, mask=mask))[:, :7], model(token_ids), atol=1e-5
    )


@pytest.mark.parametrize(
    "variant, dtype",
    [*((name, "float32") for name in VARIANTS), ("modern", "mixed_bfloat16")],
)
def test_saved_and_loaded_is_equal(tmp_path, variant, dtype):
    model, token_ids = _model(variant, dtype=dtype), _ids()
    model.compile("adam")
    model.fit(token_ids, token_ids, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded(token_ids), model(token_ids))
    loaded.fit(token_ids, token_ids, verbose=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_float32_and_near_under_16_bits(variant):
    half = _model(variant, dtype="mixed_bfloat16")
    full = _model(variant)
    logits = half(_ids())
    assert logits.dtype == "float32"
    np.testing.assert_allclose(logits, full(_ids()), atol=0.1)
    cached = _cached(half, _ids(), [5, 1, 6])
    np.testing.assert_allclose(cached, logits, atol=0.05)
    assert half.make_cache(1)[0].keys.dtype == "bfloat16"


def test_in_the_functional_api():
    model, token_ids = _model(), _ids()
    symbol = keras.Input((None,), dtype="int32")
    mask = keras.Input((None,), dtype="bool")
    outputs = model(symbol, mask=mask)
    assert outputs.shape == (None, None, 50) and outputs.dtype == "float32"
    probabilities = keras.layers.Softmax()(outputs)
    whole = keras.Model([symbol, mask], probabilities)
    ones = np.ones(token_ids.shape, "bool")
    np.testing.assert_allclose(
        whole([token_ids, ones]), tf.nn.softmax(model(token_ids)), atol=1e-6
    )


def test_learns_with_any_loss_metric_and_callback():
    model, token_ids = _model(), _ids(8)
    model.compile(
        keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = model.fit(
        token_ids[:, :-1],
        token_ids[:, 1:],
        validation_split=0.25,
        epochs=30,
        batch_size=3,
        callbacks=[keras.callbacks.EarlyStopping("loss", patience=30)],
        verbose=0,
    ).history
    assert history["loss"][-1] < history["loss"][0] / 2
    assert history["accuracy"][-1] > 0.5
    assert {"val_loss", "val_accuracy"} <= history.keys()


def test_without_a_loss_it_is_the_mean_over_tokens_with_weight():
    model, token_ids = _model(), _ids(4)
    weight = np.random.default_rng(1).random((4, 11)).astype("float32")
    weight[0] = 0
    x, y = token_ids[:, :-1], token_ids[:, 1:].copy()
    log_p = np.array(tf.nn.log_softmax(model(x)))
    nll = -np.take_along_axis(log_p, y[..., None], -1)[..., 0]
    expected = (nll * weight).sum() / weight.sum()
    y[0] = -100  # has no weight
    model.compile("sgd")
    loss = model.evaluate(x, y, sample_weight=weight, batch_size=3, verbose=0)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    loss = model.train_on_batch(x, y, sample_weight=weight)
    assert np.shape(loss) == ()  # as of any model without metrics
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_metrics_go_with_the_default_loss():
    model, token_ids = _model(), _ids(4)
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile("adam", weighted_metrics=[accuracy])
    logs = model.evaluate(token_ids, token_ids, verbose=0, return_dict=True)
    hits = np.array(model(token_ids)).argmax(-1) == token_ids
    np.testing.assert_allclose(logs["accuracy"], hits.mean(), rtol=1e-5)


def test_weights_start_with_the_width_asked_for():
    model = GPTModel(500, 64, 4, 256, 8, num_layers=8, initializer_stddev=0.05)
    model.build((None, None))
    kernels = [block.expand.kernel for block in model.blocks]
    assert abs(np.std(kernels[0]) - 0.05) < 0.002
    assert (np.array(kernels[0]) != np.array(kernels[1])).any()
    ends = model.blocks[0].contract.kernel
    assert abs(np.std(ends) - 0.05 / 16**0.5) < 0.001


def test_a_model_of_zeros_at_its_ends_begins_as_its_embeddings():
    model, token_ids = _model(zero_init_residual=True), _ids(2)
    before = np.array(model(token_ids))
    for block in model.blocks:
        assert not np.any(block.contract.kernel)
        assert not np.any(block.attention.output_projection.kernel)
        assert np.any(block.expand.kernel)
    other = token_ids.copy()
    other[:, 0] = (other[:, 0] + 1) % 50
    np.testing.assert_array_equal(model(other)[:, 1:], before[:, 1:])
    model.compile("sgd")
    for _ in range(2):  # first the ends learn, then what is before them
        model.train_on_batch(token_ids, token_ids)
    assert np.any(np.array(model(other)[:, 1:] != model(token_ids)[:, 1:]))


def test_tied_embeddings_are_one_weight():
    tied, free = _model("gpt2"), _model("gpt2", tie_embeddings=False)
    assert free.count_params() - tied.count_params() == 50 * 16 + 50


@pytest.mark.parametrize("bad", [-1, 50])
def test_ids_out_of_range_raise(bad):
    model, token_ids = _model(), _ids()
    token_ids[1, 2] = bad
    for function in (model, model.attention_weights):
        with pytest.raises(ValueError, match=r"\[0, vocab_size=50\)"):
            function(token_ids)
    model.compile("adam")
    with pytest.raises(tf.errors.InvalidArgumentError, match="vocab_size=50"):
        model.fit(token_ids, _ids(), verbose=0)


def test_sequences_that_are_too_long_raise():
    model = _model()
    with pytest.raises(ValueError, match="length=13, max_length=12"):
        model(_ids(1, 13))
    with pytest.raises(ValueError, match="length=13, max_length=12"):
        model.attention_weights(_ids(1, 13))
    with pytest.raises(ValueError, match="length=13, max_length=12"):
        model(keras.Input((13,), dtype="int32"))
    step = tf.function(
        model,
        input_signature=[tf.TensorSpec([1, None], "int32")],
        autograph=False,
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_length"):
        step(_ids(1, 13))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"position": "alibi"}, "`position`.*Received: position='alibi'"),
        ({"norm": "batch"}, "`norm`.*Received: norm='batch'"),
        ({"activation": "tanh"}, "`activation`"),
        ({"num_layers": 0}, "`num_layers` must be positive"),
        ({"num_heads": 3}, "d_model=16, num_heads=3"),
        ({"vocab_size": 0}, "`vocab_size` must be positive"),
    ],
)
def test_bad_options_are_named(options, message):
    sizes = {
        "vocab_size": 50,
        "d_model": 16,
        "num_heads": 2,
        "dff": 32,
        "max_length": 12,
    }
    with pytest.raises(ValueError, match=message):
        GPTModel(**{**sizes, "num_layers": 1, **options})


def _summary(model):
    """Returns the rows of the summary and what it counts."""
    lines = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    rows = re.findall(
        r"│ (\w+) .*?│ (\([\w, ]+\)|\?) +│ +([\d,]+|0 \(unbuilt\)) +│",
        text,
    )
    (total,) = re.findall(r"Total params: ([\d,]+)", text)
    return rows, int(total.replace(",", ""))


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"position": "learned"}, {"positional_encoding", "final_layer"}),
        ({"position": "rotary", "tie_embeddings": True}, set()),
    ],
)
def test_the_summary_has_shapes_and_counts_built_or_not(options, parts):
    model = GPTModel(50, 16, 2, 32, max_length=8, num_layers=2, **options)
    rows, total = _summary(model)
    assert not model.built and not model.weights
    names = {name for name, _, _ in rows}
    assert names == parts | {
        "embedding",
        "dropout",
        "block_0",
        "block_1",
        "final_norm",
    }
    shapes = {name: shape for name, shape, _ in rows}
    assert shapes["embedding"] == shapes["dropout"] == "(None, 8, 16)"
    assert shapes.get("final_layer", "(None, 8, 50)") == "(None, 8, 50)"
    model.build((None, 8))
    assert _summary(model) == (rows, total)
    assert total == model.count_params()
    counts = {name: int(count.replace(",", "")) for name, _, count in rows}
    assert sum(counts.values()) == total
    assert counts["block_0"] == model.blocks[0].count_params()


def test_a_summary_does_not_change_what_is_drawn():
    states = []
    for asks in (False, True):
        keras.utils.set_random_seed(3)
        model = GPTModel(20, 8, 2, 8, max_length=4, num_layers=1)
        if asks:
            _summary(model)
        states.append((random.random(), model.get_config()))
        model.build((None, 4))
        states[-1] += (keras.ops.convert_to_numpy(model.embedding.embeddings),)
    (one, config, drawn), (other, same_config, same_drawn) = states
    assert one == other
    assert {**config, "name": ""} == {**same_config, "name": ""}
    np.testing.assert_array_equal(drawn, same_drawn)
