"""What the machine has, and who else takes part, in; the strategy out."""

import os
import sys
import threading
import time

import tensorflow as tf

from gpt_keras.training.cluster import Cluster

_SECONDS_IN_SILENCE = 10


def choose_strategy(
    logical_cpus: int = 0,
    cluster: Cluster | None = None,
    seconds: float = 600.0,
) -> tf.distribute.Strategy:
    """Returns the strategy for what the machine has.

    Several hosts: `MultiWorkerMirroredStrategy` over all GPUs of all of them.
    Several GPUs: `MirroredStrategy` over all of them. One device: the default
    strategy, that is, none.

    Args:
        logical_cpus: If positive, split the CPU into so many devices and use
            those, GPU or not. Only before TensorFlow has used a device.
        cluster: From `find_cluster`; None for this host alone. TensorFlow
            must not have used a device either. The call returns once every
            host has made it.
        seconds: To wait for the other hosts. TensorFlow can't be told to give
            up, so the *process* ends after them, with a message.

    Raises:
        ValueError: TensorFlow has used a device already, or `logical_cpus`
            are asked for on several hosts.
    """
    if cluster is not None:
        if logical_cpus:
            raise ValueError(
                "`logical_cpus` can't be had on several hosts, where each "
                "uses its CPU as one device if it has no GPU. Received: "
                f"logical_cpus={logical_cpus}, hosts {cluster.addresses}"
            )
        return _of_several_hosts(cluster, seconds)
    if logical_cpus:
        _split_cpu(logical_cpus)
        devices = [f"CPU:{index}" for index in range(logical_cpus)]
        if logical_cpus == 1:
            return tf.distribute.OneDeviceStrategy(devices[0])
        return tf.distribute.MirroredStrategy(devices)
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _split_cpu(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError as error:
        raise ValueError(
            "`logical_cpus` must be chosen before TensorFlow uses a device. "
            f"Received: logical_cpus={count}"
        ) from error


def _of_several_hosts(cluster: Cluster, seconds: float):
    arrived = threading.Event()
    threading.Thread(
        target=_give_up, args=(arrived, cluster, seconds), daemon=True
    ).start()
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            "Several hosts can be used before TensorFlow uses a device, and "
            f"each with a free port. Received: {reason}"
        ) from error
    finally:
        arrived.set()


def _give_up(arrived: threading.Event, cluster: Cluster, seconds: float):
    """Says whom this host waits for, and ends the process in the end."""
    others = list(cluster.addresses)
    mine = others.pop(cluster.index)
    who = f"host {cluster.index} ({mine})"
    end = time.monotonic() + seconds
    if arrived.wait(min(seconds, _SECONDS_IN_SILENCE)):
        return
    print(f"{who} waits for {', '.join(others)}", file=sys.stderr, flush=True)
    if arrived.wait(max(0.0, end - time.monotonic())):
        return
    print(
        f"error: {who} has waited {seconds:g} s for {', '.join(others)}: not "
        "all of them were started, or a network keeps them apart.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)
