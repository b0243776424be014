"""Tests of `gpt_keras.training.hosts`, on several hosts and on one."""

import inspect
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from forked_runs import run_each

from gpt_keras.cli.run_comparison import compare
from gpt_keras.training.hosts import HostLost
from gpt_keras.training.hosts import Hosts
from gpt_keras.training.run_log import RunLog
from gpt_keras.training.run_log import SilentLog
from gpt_keras.training.run_log import read_metrics

_PROGRAM = pathlib.Path(__file__).with_name("hosts_program.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hosts")
    rng = np.random.default_rng(0)
    words = rng.choice(["one ", "two ", "three ", "four "], 600)
    (path / "text.txt").write_text("".join(words))
    (path / "two").mkdir()
    (path / "other").mkdir()
    (path / "other" / "tokens").symlink_to(path / "two" / "tokens")
    return path


@pytest.fixture(scope="module")
def found(folder):
    (result,) = run_each(_PROGRAM, [{"directory": str(folder)}])
    assert "error" not in result, result
    return {name: run["hosts"] for name, run in result.items()}


def _statuses(run):
    return [host["status"] for host in run]


def test_two_hosts_walk_as_one_process(found, folder):
    assert _statuses(found["one"]) == [0], found["one"]
    assert _statuses(found["two"]) == [0, 0], found["two"]
    names = ("step", "loss", "val_loss", "gradient_norm")
    one, two = (
        [[line.get(name, 0.0) for name in names] for line in lines]
        for lines in (
            read_metrics(folder / "one"),
            read_metrics(folder / "two"),
        )
    )
    assert len(one) == 12 + 3  # log lines, validations
    np.testing.assert_allclose(two, one, atol=3e-6)


def test_all_hosts_end_with_the_same_bits(found):
    chief, other = found["two"]
    assert chief["digest"] == other["digest"] is not None


def test_the_chief_alone_writes_prints_and_samples(found, folder):
    assert [x.name for x in (folder / "other").iterdir()] == ["tokens"]
    chief, other = found["two"]
    assert "step 6: sample\n(1, 3, " in chief["printed"]
    assert "step" not in other["printed"].replace("digest", "")


def test_a_host_that_is_killed_ends_the_others_in_one_line(found):
    chief, other = found["killed"]
    assert (chief["status"], other["status"]) == (1, -9)
    errors = [x for x in chief["printed"].split("\n") if "error: " in x]
    (line,) = [x for x in errors if "can't be reached any more" in x]
    assert "error: host 1 (127.0.0.1:" in line
    assert "Traceback" not in chief["printed"]


def test_a_signal_to_one_host_saves_and_stops_all(found, folder):
    assert _statuses(found["stopped"]) == [143, 143], found["stopped"]
    chief, other = found["stopped"]
    assert "Stopped by SIGTERM and saved at step 9" in chief["printed"]
    assert chief["digest"] == other["digest"]


def test_started_again_they_end_with_the_same_bits(found, folder):
    assert _statuses(found["restarted"]) == [0, 0], found["restarted"]
    counts, different = compare(folder / "two", folder / "killed")
    assert not different and min(counts.values()) >= 10
    for before, after in zip(found["two"], found["restarted"], strict=True):
        assert before["digest"] == after["digest"]


def test_other_flags_than_the_chief_has_are_refused(found, folder):
    assert _statuses(found["refused"]) == [1, 1]
    for host in found["refused"]:
        assert "--batch_size: 4 on the chief, 8 on host 1" in host["printed"]
        assert "--seed: 0 on the chief, 1 on host 1" in host["printed"]
    assert not (folder / "refused").exists()


def test_one_host_asks_nobody():
    hosts = Hosts(tf.distribute.get_strategy())
    assert (hosts.count, hosts.is_chief) == (1, True)
    assert hosts.largest(3) == 3
    assert hosts.exchange({"a": 1}) == [{"a": 1}]
    assert hosts.from_chief("text") == "text"
    assert hosts.on_chief(lambda: 5) == 5
    assert hosts.spread(lambda context: context) is None
    hosts.check_same({"a": 1})
    with pytest.raises(tf.errors.UnavailableError), hosts.guarded():
        raise tf.errors.UnavailableError(None, None, "not a host")


def test_the_lost_host_is_named():
    hosts = Hosts(tf.distribute.get_strategy())
    hosts.addresses, hosts.index = ["a:1", "b:2", "c:3"], 1
    hosts._tasks = [("chief", 0), ("worker", 0), ("worker", 1)]
    text = "/job:worker/task:0 says: /job:worker/replica:0/task:1 is silent"
    with pytest.raises(HostLost, match="^host 2 .c:3. can't.*so host 1 .b:2"):
        with hosts.guarded():
            raise tf.errors.AbortedError(None, None, text)
    with pytest.raises(HostLost, match="^Another host can't"):
        with hosts.guarded():
            raise tf.errors.UnavailableError(None, None, "Socket closed")


def test_a_silent_log_takes_what_a_log_takes():
    for name, method in inspect.getmembers(RunLog, inspect.isfunction):
        if not name.startswith("_"):
            silent = inspect.signature(getattr(SilentLog, name))
            assert silent == inspect.signature(method)
