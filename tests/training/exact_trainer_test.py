"""Tests of `gpt_keras.training.exact_trainer`."""

import functools
import itertools

import keras
import numpy as np
import pytest

from gpt_keras import GPTModel

IDS, LABELS = np.random.default_rng(0).integers(0, 20, (2, 24, 6))
WEIGHT = np.random.default_rng(1).random((24, 6)).astype("float32")


def _model(kind=GPTModel, seed=0, dtype="float32", **options):
    keras.utils.set_random_seed(seed)
    model = kind(20, 8, 2, 16, 6, 0.0, num_layers=1, dtype=dtype)
    options = {"optimizer": keras.optimizers.AdamW(0.01), **options}
    model.compile(**options)
    return model


def _fit(model, epochs=2, **options):
    return model.fit(
        IDS,
        LABELS,
        sample_weight=WEIGHT,
        epochs=epochs,
        verbose=0,
        shuffle=False,
        **{"batch_size": 8, **options},
    ).history


@functools.cache
def _plain_history():
    return _fit(_model())


@pytest.mark.parametrize(
    "options",
    [
        {"microbatches": 4},
        {"microbatches": 3},  # the parts don't come out even
        {"jit_compile": True},
        {"jit_compile": True, "microbatches": 2, "chunk_tokens": 5},
        {"chunk_tokens": 7},
        {"spike_sigmas": 6.0},
        {"ema_decay": 0.9},
        {"metrics": ["sparse_categorical_accuracy"], "microbatches": 3},
        {"run_eagerly": True, "microbatches": 2},
    ],
)
def test_options_change_no_loss(options):
    expected = _plain_history()
    history = _fit(_model(**options))
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=2e-6)


def test_a_step_says_norm_and_skipped():
    history = _plain_history()
    assert set(history) == {"loss", "gradient_norm", "skipped_steps"}
    assert history["gradient_norm"][-1] > 0
    assert history["skipped_steps"] == [0.0, 0.0]


def test_a_batch_by_itself_has_loss_and_metrics():
    model = _model(metrics=["sparse_categorical_accuracy"])
    loss, accuracy = model.train_on_batch(IDS[:8], LABELS[:8])
    logs = model.test_on_batch(IDS[:8], LABELS[:8], return_dict=True)
    assert logs["loss"] < loss and 0 <= accuracy <= 1
    logs = model.train_on_batch(IDS[:8], LABELS[:8], return_dict=True)
    assert logs["gradient_norm"] > 0 and logs["skipped_steps"] == 0


def test_microbatches_see_partial_batches_whole():
    one = _fit(_model(), batch_size=7)
    two = _fit(_model(microbatches=4), batch_size=7)
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-6)


def test_metrics_of_microbatches_are_of_all_rows():
    accuracy = "sparse_categorical_accuracy"
    one = _fit(_model(metrics=[accuracy]))[accuracy]
    three = _fit(_model(metrics=[accuracy], microbatches=3))[accuracy]
    np.testing.assert_allclose(three, one, rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_bad_ids_raise_with_xla_too(jit_compile):
    model = _model(jit_compile=jit_compile)
    for name, bad in itertools.product(["token_ids", "labels"], [-1, 20]):
        data = {"token_ids": IDS.copy(), "labels": LABELS.copy()}
        data[name][3, 2] = bad
        with pytest.raises(Exception, match=rf"`{name}` must be in \[0"):
            model.fit(*data.values(), batch_size=8, verbose=0)


def test_labels_are_needed():
    with pytest.raises(ValueError, match="needs labels"):
        _model().fit(IDS, verbose=0)


@pytest.mark.parametrize(
    "options, rule",
    [
        ({"microbatches": 0}, "`microbatches` must be positive"),
        ({"ema_decay": 1.0}, r"`ema_decay` must be in \[0, 1\)"),
        ({"spike_window": 1}, "`spike_window` must be at least 2"),
        ({"chunk_tokens": -1}, "`chunk_tokens` must be at least 0"),
        ({"microbatches": 2, "loss": "mse"}, "needs the model's own loss"),
        ({"label_smoothing": 0.1, "loss": "mse"}, "`label_smoothing` needs"),
    ],
)
def test_options_out_of_range_are_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        _model(**options)


def test_averages_are_for_evaluation_only():
    model = _model(ema_decay=0.9)
    _fit(model)
    weights = [weight.numpy() for weight in model.weights]
    averaged = model.evaluate(IDS, LABELS, sample_weight=WEIGHT, verbose=0)
    for weight, before in zip(model.weights, weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), before)
    plain = _model()
    _fit(plain)
    for weight, expected in zip(plain.weights, weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected)
    assert averaged != plain.evaluate(
        IDS, LABELS, sample_weight=WEIGHT, verbose=0
    )
    with model.averaged_weights():
        inside = keras.Model.evaluate(
            model, IDS, LABELS, sample_weight=WEIGHT, verbose=0
        )
    np.testing.assert_allclose(inside, averaged, rtol=1e-6)


def test_averages_come_back_after_an_error():
    model = _model(ema_decay=0.9)
    _fit(model)
    before = model.final_layer.kernel.numpy()
    with pytest.raises(ZeroDivisionError), model.averaged_weights():
        raise ZeroDivisionError
    np.testing.assert_array_equal(model.final_layer.kernel.numpy(), before)


def test_options_are_saved_with_the_model(tmp_path):
    model = _model(microbatches=2, ema_decay=0.5, jit_compile=True)
    _fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.step_options == model.step_options
    one, two = _fit(model), _fit(loaded)
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-5)


def test_compiled_again_forgets_an_earlier_loss():
    model = _model(loss="mse")
    assert model.needs_logits
    model.compile("adam")
    assert not model.needs_logits


class OwnLoss(GPTModel):
    def compute_loss(self, x, y, y_pred, sample_weight, training=True):
        return keras.ops.mean(keras.ops.square(y_pred)) * 3


def test_a_subclass_with_its_own_loss_is_trained_on_it():
    model = _model(OwnLoss)
    logits = model(IDS[:8])
    expected = 3 * np.mean(np.square(logits))
    loss = model.train_on_batch(IDS[:8], LABELS[:8], return_dict=True)["loss"]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


class Halved(GPTModel):
    def logits(self, hidden):
        return super().logits(hidden) / 2


def test_a_subclass_with_other_logits_is_trained_on_them():
    model, plain = _model(Halved), _model()
    expected = keras.losses.sparse_categorical_crossentropy(
        LABELS[:8], plain(IDS[:8]) / 2, from_logits=True
    )
    loss = model.train_on_batch(IDS[:8], LABELS[:8], return_dict=True)["loss"]
    np.testing.assert_allclose(loss, np.mean(expected), rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_float16_scales_its_loss(jit_compile):
    model = _model(dtype="mixed_float16", jit_compile=jit_compile)
    scale = model.optimizer.dynamic_scale if model.optimizer.built else None
    assert scale is None
    history, expected = _fit(model), _fit(_model())
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-3)
    np.testing.assert_allclose(
        history["gradient_norm"], expected["gradient_norm"], rtol=1e-2
    )
    assert float(model.optimizer.dynamic_scale) == 2.0**15


class OwnLogs(GPTModel):
    def train_step(self, data):
        return {"mine": super().train_step(data)["loss"]}


def test_a_subclass_may_log_what_it_wants():
    assert list(_fit(_model(OwnLogs), epochs=1)) == ["mine"]


@pytest.mark.parametrize(
    "options", [{}, {"metrics": ["sparse_categorical_accuracy"]}]
)
def test_labels_are_smoothed_in_training_alone(options):
    frozen = {"optimizer": keras.optimizers.SGD(0.0), **options}
    plain, smoothed = _model(**frozen), _model(label_smoothing=0.3, **frozen)
    logits = keras.ops.log_softmax(plain(IDS))
    losses = -keras.ops.take_along_axis(logits, LABELS[..., None], -1)[..., 0]
    mixed = 0.7 * losses - 0.3 * keras.ops.mean(logits, axis=-1)
    trained, evaluated = (
        float((np.asarray(x) * WEIGHT).sum() / WEIGHT.sum())
        for x in (mixed, losses)
    )
    history = _fit(smoothed, epochs=1, batch_size=24)
    np.testing.assert_allclose(history["loss"], [trained], rtol=1e-5)
    for model in (plain, smoothed):
        found = model.evaluate(
            IDS, LABELS, sample_weight=WEIGHT, verbose=0, return_dict=True
        )
        np.testing.assert_allclose(found["loss"], evaluated, rtol=1e-5)
