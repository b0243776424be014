"""Tests of `gpt_keras.training.strategy`."""

import pytest
import tensorflow as tf

from gpt_keras.training.strategy import choose_strategy


def test_devices_are_chosen_before_they_are_used():
    tf.constant(0)
    assert choose_strategy().num_replicas_in_sync == 1
    with pytest.raises(ValueError, match="logical_cpus=2"):
        choose_strategy(2)
