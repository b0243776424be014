"""Tests of `gpt_keras.training.optimizers`."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras import GPTModel
from gpt_keras.config import TrainConfig
from gpt_keras.training.gradients import apply_gradients
from gpt_keras.training.muon import Muon
from gpt_keras.training.optimizers import make_optimizer

CONFIG = TrainConfig(learning_rate=0.1, warmup_steps=0, weight_decay=0.5)
OPTIMIZERS = ("adamw", "muon")
MUON = {
    "query_key_value/kernel": 3,
    "output_projection/kernel": 1,
    "expand/kernel": 1,
    "contract/kernel": 1,
}


def _model(**options):
    options = {"position": "learned", "num_layers": 1, **options}
    model = GPTModel(20, 8, 2, 16, 4, **options)
    model.build((None, None))
    return model


def _optimizer(name, model, **changes):
    config = dataclasses.replace(CONFIG, optimizer=name, **changes)
    return make_optimizer(config, model)


def _gradients(variables, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return [
        tf.constant(scale * rng.normal(size=v.shape), "float32")
        for v in variables
    ]


def _steps(model, optimizer, seeds=range(3), compiled=lambda step: step):
    """Takes steps; returns weights and slots."""
    variables = model.trainable_variables
    optimizer.build(variables)
    step = compiled(lambda g: apply_gradients(optimizer, g, variables))
    for seed in seeds:
        step(_gradients(variables, seed))
    return [np.array(v) for v in (*model.weights, *optimizer.variables)]


def _assert_equal(ours, theirs, rtol=0.0, atol=0.0):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def _same_weights(model, other):
    other.set_weights(model.get_weights())
    return other


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_muon_has_the_matrices_of_the_blocks(tied, position):
    model = _model(tie_embeddings=tied, position=position, num_layers=2)
    optimizer = _optimizer("muon", model)
    parts = {
        v.path.partition("/")[2]: optimizer.num_matrices(v)
        for v in model.trainable_variables
    }
    expected = {
        f"block_{index}/{scope}{name}": number
        for index in range(2)
        for scope in ("", "attention/")
        for name, number in MUON.items()
        if ("attention" in scope) == (name[0] in "qo")
    }
    assert {k: v for k, v in parts.items() if v} == expected
    # AdamW's are all the others, matrices among them.
    assert parts["embedding/embeddings"] == 0
    assert parts.get("positional_encoding/table", 0) == 0
    assert parts.get("final_layer/kernel", 0) == 0
    assert ("final_layer/kernel" in parts) != tied


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_matrices_decay(name):
    model = _model()
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer = _optimizer(name, model, clip_norm=0)
    zeros = [np.zeros(v.shape, "float32") for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for variable in model.trainable_variables:
        expected = 0.95 if len(variable.shape) > 1 else 1.0
        np.testing.assert_allclose(variable, expected, rtol=1e-6)


def test_the_configuration_steers_the_optimizer():
    config = TrainConfig(
        optimizer="muon",
        muon_momentum=0.8,
        beta_1=0.7,
        beta_2=0.6,
        weight_decay=0.3,
        clip_norm=0.5,
        learning_rate=0.2,
        warmup_steps=4,
        schedule="constant",
    )
    model = _model()
    optimizer = make_optimizer(config, model)
    assert isinstance(optimizer, Muon)
    found = optimizer.get_config()
    assert found["momentum"] == 0.8
    assert (found["beta_1"], found["beta_2"]) == (0.7, 0.6)
    assert (found["weight_decay"], found["global_clipnorm"]) == (0.3, 0.5)
    rates = []
    for seed in range(6):
        rates.append(float(optimizer.learning_rate))
        _steps(model, optimizer, [seed])
    np.testing.assert_allclose(rates, [0, 0.05, 0.1, 0.15, 0.2, 0.2], rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_weight_decay_and_no_clipping_can_be_had(name):
    model = _model()
    before = model.get_weights()
    optimizer = _optimizer(name, model, weight_decay=0.0, clip_norm=0.0)
    zeros = [tf.zeros(v.shape) for v in model.trainable_variables]
    apply_gradients(optimizer, zeros, model.trainable_variables)
    _assert_equal(model.get_weights(), before)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_saved_model_goes_on_as_if_it_had_not_been(name, tmp_path):
    model = _model()
    model.compile(_optimizer(name, model))
    _steps(model, model.optimizer)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is type(model.optimizer)
    _assert_equal(
        _steps(again, again.optimizer, range(3, 6)),
        _steps(model, model.optimizer, range(3, 6)),
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_is_the_same_in_a_graph_and_compiled(name):
    model = _model()
    expected_model = _same_weights(model, _model())
    expected = _steps(expected_model, _optimizer(name, expected_model))
    for jit in (False, True):
        other = _same_weights(model, _model())
        compiled = functools.partial(
            tf.function, jit_compile=jit, autograph=False
        )
        found = _steps(other, _optimizer(name, other), compiled=compiled)
        _assert_equal(found, expected, atol=2e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_loss_scaling_changes_no_step(name):
    model, scaled = _model(), _model(dtype="mixed_float16")
    _same_weights(model, scaled)
    optimizer = _optimizer(name, model)
    _steps(model, optimizer)
    scaled.compile(_optimizer(name, scaled))
    wrapped = scaled.optimizer
    assert isinstance(wrapped, keras.optimizers.LossScaleOptimizer)
    variables = scaled.trainable_variables
    wrapped.build(variables)
    for seed in range(3):
        scale = float(wrapped.scale_loss(1.0))
        gradients = _gradients(variables, seed, scale)
        apply_gradients(wrapped, gradients, variables)
    _assert_equal(scaled.get_weights(), model.get_weights(), atol=1e-5)
    slots = wrapped.inner_optimizer.variables[1:]  # but for the iterations
    before = [np.array(v) for v in (*variables, *slots)]
    gradients = _gradients(variables, 3)
    gradients[2] = gradients[2] * np.inf
    apply_gradients(wrapped, gradients, variables)
    _assert_equal([*variables, *slots], before)
    assert float(wrapped.dynamic_scale) == scale / 2


def test_a_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="learning_rate=0"):
        _optimizer("adamw", _model(), learning_rate=0.0)
