"""Tests of `gpt_keras.config`."""

import dataclasses

from gpt_keras.config import TrainConfig


def test_differences_name_what_steers_the_run():
    config = TrainConfig()
    saved = dataclasses.asdict(config)
    changed = dataclasses.replace(config, seed=3, log_every=7, text="x")
    assert changed.differences(saved) == ["seed: 0 there, 3 now"]
    assert config.differences(saved) == []
