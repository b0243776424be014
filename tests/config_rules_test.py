"""Tests of `gpt_keras.config_rules`."""

import pytest

from gpt_keras.config import TrainConfig


@pytest.mark.parametrize(
    "values, message",
    [
        ({"steps": 0}, "`steps` must be positive. Received: steps=0"),
        ({"weight_decay": -1.0}, "`weight_decay` must be at least 0"),
        ({"rate": 1.0}, r"`rate` must be in \[0, 1\)"),
        ({"text": "a", "tfds": "b"}, "Give one of `text`, `tfds`"),
        ({"steps": "7"}, "`steps` must be of type int. Received: steps='7'"),
        ({"batch_size": 2.5}, "`batch_size` must be of type int"),
        ({"lora_rank": 8}, "`lora_rank` needs `init_from`.*lora_rank=8"),
        ({"lora_rank": -1}, "`lora_rank` must be at least 0"),
        (
            {"lora_rank": 200, "init_from": "a"},
            "smaller of `d_model` and `dff`, 128. Received: lora_rank=200",
        ),
        (
            {"lora_rank": 8, "init_from": "a", "optimizer": "muon"},
            "`lora_rank` needs the optimizer 'adamw'",
        ),
        ({"lora_alpha": 8.0}, "`lora_alpha` .* needs `lora_rank`"),
        (
            {"lora_rank": 8, "init_from": "a", "lora_alpha": -1.0},
            "`lora_alpha` must be positive",
        ),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**values)
