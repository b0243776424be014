"""Batches have one order, from any step on, and validation misses nothing."""

import sys

import limited_process
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.data.pipeline import training_batches
from gpt_keras.data.pipeline import validation_batches
from gpt_keras.data.token_store import TokenSplit

SPEC = [tf.int32, tf.int32, tf.float32]


def counting(num_tokens):
    """A split whose every token is its own position."""
    return TokenSplit.from_array(np.arange(num_tokens))


def rows(dataset):
    return [[array.copy() for array in b] for b in dataset.as_numpy_iterator()]


def equal(left, right):
    return len(left) == len(right) and all(
        np.array_equal(a, b)
        for one, other in zip(left, right, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def training(split=None, **settings):
    settings = {"length": 8, "batch_size": 4, "seed": 3} | settings
    return training_batches(split or counting(1000), **settings)


def test_training_batch_is_the_contract_triple():
    dataset = training(num_steps=50)
    assert [spec.dtype for spec in dataset.element_spec] == SPEC
    assert all(spec.shape == (4, 8) for spec in dataset.element_spec)
    assert dataset.cardinality() == 50
    batches = rows(dataset)
    assert len(batches) == 50
    for token_ids, labels, weight in batches:
        assert np.array_equal(token_ids + 1, labels)
        assert np.all(weight == 1)
        assert labels.max() < 1000


@pytest.mark.parametrize("start", [1, 29, 30, 31, 99])
def test_resumed_run_is_the_rest_of_the_undisturbed_one(start):
    """An epoch has 31 batches: 124 windows, 4 in a batch."""
    whole = rows(training(num_steps=100))
    rest = training(start_step=start, num_steps=100 - start)
    assert equal(rows(rest), whole[start:])


def test_every_iteration_is_the_same():
    dataset = training(num_steps=20)
    iterator = iter(dataset)
    next(iterator)
    assert equal(rows(dataset), rows(dataset))
    assert not equal(rows(dataset), rows(training(num_steps=20, seed=4)))


def test_batch_size_leaves_the_order_of_windows():
    small = rows(training(num_steps=60, batch_size=2))
    large = rows(training(num_steps=20, batch_size=6))
    for column in range(3):
        assert np.array_equal(
            np.concatenate([batch[column] for batch in small]),
            np.concatenate([batch[column] for batch in large]),
        )


def test_late_step_reads_nothing_before_it():
    """What comes before is neither read nor counted through."""
    split = counting(1000)
    read, calls = split.read, []
    split.read = lambda *args: calls.append(args) or read(*args)
    dataset = training(split, start_step=10**8, num_steps=10**8)
    token_ids, _, _ = next(iter(dataset))
    assert token_ids.shape == (4, 8)
    assert dataset.cardinality() == 10**8
    assert 1 <= len(calls) < 100  # the batch, and what is read ahead


def test_corpus_of_one_window_repeats_it():
    batches = rows(training(counting(9), num_steps=3))
    for token_ids, _, _ in batches:
        assert np.array_equal(token_ids, [range(8)] * 4)


@pytest.mark.parametrize("num_tokens", [2, 8, 9, 10, 33, 34, 64, 65, 100])
def test_validation_labels_every_token_once(num_tokens):
    dataset = validation_batches(counting(num_tokens), length=8, batch_size=4)
    assert [spec.dtype for spec in dataset.element_spec] == SPEC
    assert all(spec.shape == (4, 8) for spec in dataset.element_spec)
    batches = rows(dataset)
    assert dataset.cardinality() == len(batches) == -(-(num_tokens - 1) // 32)
    labels = np.concatenate([b[1][b[2] == 1] for b in batches])
    assert labels.tolist() == list(range(1, num_tokens))
    for token_ids, labels, weight in batches:
        assert np.all((token_ids + 1 == labels)[weight == 1])
        assert set(np.unique(weight)) <= {0, 1}
        assert np.all(token_ids[weight == 0] == 0)
        assert np.all(labels[weight == 0] == 0)


@pytest.mark.parametrize("max_batches, count", [(1, 1), (2, 2), (99, 4)])
def test_validation_stops_after_max_batches(max_batches, count):
    arguments = {"length": 8, "batch_size": 4}
    whole = rows(validation_batches(counting(100), **arguments))
    part = validation_batches(
        counting(100), **arguments, max_batches=max_batches
    )
    assert part.cardinality() == count
    assert equal(rows(part), whole[:count])


def test_too_short_corpus():
    with pytest.raises(ValueError, match="8 tokens, length=8"):
        training(counting(8), num_steps=1)
    with pytest.raises(ValueError, match="2 tokens or more. Received: 1"):
        validation_batches(counting(1), length=8, batch_size=1)


@pytest.mark.parametrize(
    "setting",
    [{"length": 0}, {"batch_size": 0}, {"start_step": -1}, {"num_steps": -1}],
)
def test_numbers_out_of_range(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"`{name}`"):
        training(**({"num_steps": 1} | setting))
    if name in ("length", "batch_size"):
        sizes = {"length": 1, "batch_size": 1} | setting
        with pytest.raises(ValueError, match=f"`{name}`"):
            validation_batches(counting(9), **sizes)
    with pytest.raises(ValueError, match="`max_batches`"):
        validation_batches(counting(9), length=1, batch_size=1, max_batches=0)


_TWO_REPLICAS = """
import numpy as np
import tensorflow as tf
from gpt_keras.data.pipeline import training_batches, validation_batches
from gpt_keras.data.token_store import TokenSplit

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
split = TokenSplit.from_array(np.arange(1000))
for dataset in (
    training_batches(split, length=8, batch_size=4, seed=0, num_steps=30),
    validation_batches(split, length=8, batch_size=4),
):
    plain = list(dataset.as_numpy_iterator())
    shared = strategy.experimental_distribute_dataset(dataset)
    for _ in range(2):
        batches = list(shared)
        assert len(batches) == len(plain)
        for batch, expected in zip(batches, plain):
            for per_replica, whole in zip(batch, expected):
                parts = strategy.experimental_local_results(per_replica)
                assert [part.shape for part in parts] == [(2, 8)] * 2
                assert np.array_equal(np.concatenate(parts), whole)
print("equal")
"""


def test_two_replicas_share_each_batch():
    """In a process of its own: logical devices are set before any other use."""
    done = limited_process.run(
        [sys.executable, "-c", _TWO_REPLICAS],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["equal"]


@pytest.mark.parametrize(("hosts", "replicas"), [(2, 1), (3, 2), (1, 4)])
def test_the_parts_of_all_hosts_are_the_batch(hosts, replicas):
    def parts(make, **settings):
        by_host = [
            rows(
                make(
                    context=tf.distribute.InputContext(
                        hosts, host, hosts * replicas
                    ),
                    **settings,
                )
            )
            for host in range(hosts)
        ]
        # Of a step: the elements of each host, one for each of its replicas.
        steps = len(by_host[0]) // replicas
        return [
            [
                np.concatenate(arrays)
                for arrays in zip(
                    *(
                        part
                        for elements in by_host
                        for part in elements[step * replicas :][:replicas]
                    ),
                    strict=True,
                )
            ]
            for step in range(steps)
        ]

    def validation(**settings):
        return validation_batches(
            counting(150), length=8, batch_size=12, **settings
        )

    settings = {"batch_size": 12, "start_step": 5, "num_steps": 9}
    assert equal(parts(training, **settings), rows(training(**settings)))
    assert equal(parts(validation), rows(validation()))
    shapes = [
        spec.shape
        for spec in validation(
            context=tf.distribute.InputContext(hosts, 0, hosts * replicas)
        ).element_spec
    ]
    assert shapes == [(12 // hosts // replicas, 8)] * 3


def test_hosts_must_share_a_batch_evenly():
    with pytest.raises(ValueError):
        training(num_steps=1, context=tf.distribute.InputContext(3, 0, 3))


def test_a_host_reads_only_its_own_rows():
    split = counting(1000)
    starts = []
    split.read = lambda at, length, read=split.read: (
        starts.extend(at) or read(at, length)
    )
    context = tf.distribute.InputContext(2, 1, 2)
    list(training(split, num_steps=3, context=context))
    assert len(starts) == 3 * 2
