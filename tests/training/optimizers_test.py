"""Tests of `gpt_keras.training.optimizers`."""

import numpy as np
import pytest

from gpt_keras import GPTModel
from gpt_keras.config import TrainConfig
from gpt_keras.training.optimizers import make_optimizer
from gpt_keras.training.optimizers import make_schedule


def test_schedule_warms_up_and_decays():
    config = TrainConfig(
        steps=100, warmup_steps=10, learning_rate=0.5, min_learning_rate=0.05
    )
    schedule = make_schedule(config)
    rates = [float(schedule(step)) for step in (0, 5, 10, 55, 100, 200)]
    np.testing.assert_allclose(
        rates, [0, 0.25, 0.5, 0.275, 0.05, 0.05], rtol=1e-5
    )


def test_schedule_without_warm_up():
    config = TrainConfig(steps=100, warmup_steps=0, learning_rate=0.5)
    assert float(make_schedule(config)(0)) == 0.5


def test_only_matrices_decay():
    config = TrainConfig(
        learning_rate=0.1, weight_decay=0.5, warmup_steps=0, clip_norm=0
    )
    model = GPTModel(20, 8, 2, 16, 4, num_layers=1, position="learned")
    model.build((None, None))
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer = make_optimizer(config, model)
    zeros = [np.zeros(v.shape, "float32") for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for variable in model.trainable_variables:
        expected = 0.95 if len(variable.shape) > 1 else 1.0
        np.testing.assert_allclose(variable, expected, rtol=1e-6)


def test_a_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="learning_rate=0"):
        make_schedule(TrainConfig(learning_rate=0.0))
