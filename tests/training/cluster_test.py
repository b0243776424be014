"""Tests of `gpt_keras.training.cluster`."""

import json

import pytest

from gpt_keras.training.cluster import Cluster
from gpt_keras.training.cluster import find_cluster


def _tf_config(kind="worker", index=0, **jobs):
    jobs = jobs or {"worker": ["a:1", "b:2"]}
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": task})}


def test_tf_config_and_flags_say_the_same():
    environment = {}
    cluster = find_cluster("a:1, b:2", 1, environment)
    assert cluster == Cluster(("a:1", "b:2"), 1)
    assert find_cluster(environment=environment) == cluster
    assert find_cluster("a:1,b:2", 1, environment) == cluster
    assert find_cluster(environment=_tf_config(index=1)) == cluster


def test_a_chief_is_the_first_host():
    jobs = {"chief": ["a:1"], "worker": ["b:2", "c:3"]}
    for kind, index, place in (("chief", 0, 0), ("worker", 1, 2)):
        cluster = find_cluster(environment=_tf_config(kind, index, **jobs))
        assert cluster == Cluster(("a:1", "b:2", "c:3"), place)


def test_one_host_is_no_cluster():
    assert find_cluster(environment={}) is None
    assert find_cluster(environment=_tf_config(worker=["a:1"])) is None
    environment = {}
    assert find_cluster("a:1", 0, environment) is None and not environment


@pytest.mark.parametrize(
    "hosts, index, environment, message",
    [
        ("a:1,b:2", None, {}, "from 0 to 1.*host_index=None"),
        ("a:1,b:2", 2, {}, "from 0 to 1.*host_index=2"),
        ("", 0, {}, "goes with `hosts`"),
        ("a:1,b:2", 0, _tf_config(index=1), "must not contradict"),
        ("a:1,a:1", 0, {}, "address of its own"),
        ("a:1,b", 0, {}, "HOST:PORT. Received: 'b'"),
        ("", None, {"TF_CONFIG": "{"}, "must be JSON of the form"),
        ("", None, {"TF_CONFIG": "[]"}, "must be JSON of the form"),
        ("", None, _tf_config(index=2), "one of its cluster.*index 2"),
        ("", None, _tf_config("evaluator"), "one of its cluster"),
        ("", None, _tf_config(ps=["a:1"], worker=["b:2"]), "must have workers"),
    ],
)
def test_what_makes_no_job_is_refused(hosts, index, environment, message):
    with pytest.raises(ValueError, match=message):
        find_cluster(hosts, index, environment)
