"""Tests of `gpt_keras.training.strategy`."""

import pytest
import tensorflow as tf

from gpt_keras.training.cluster import Cluster
from gpt_keras.training.cluster import find_cluster
from gpt_keras.training.strategy import choose_strategy


def test_devices_are_chosen_before_they_are_used():
    tf.constant(0)
    assert choose_strategy().num_replicas_in_sync == 1
    with pytest.raises(ValueError, match="logical_cpus=2"):
        choose_strategy(2)


def test_several_hosts_have_no_logical_cpus():
    with pytest.raises(ValueError, match="logical_cpus=2.*a:1"):
        choose_strategy(2, Cluster(("a:1", "b:2"), 0))


def test_several_hosts_are_chosen_before_a_device_is_used(monkeypatch):
    tf.constant(0)
    cluster = find_cluster("127.0.0.1:1,127.0.0.1:2", 0, environment := {})
    monkeypatch.setenv("TF_CONFIG", environment["TF_CONFIG"])
    with pytest.raises(ValueError, match="before TensorFlow uses a device"):
        choose_strategy(0, cluster)
