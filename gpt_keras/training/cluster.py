"""Flags or `TF_CONFIG` in, the hosts of a job and this one's place out.

Every host runs the same program. TensorFlow's own variable, `TF_CONFIG`, says
who the others are; a list of addresses and a number say the same.
"""

import dataclasses
import json
import os
from collections.abc import MutableMapping

TF_CONFIG = "TF_CONFIG"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The hosts of a job.

    Attributes:
        addresses: `host:port` of each; the first is the chief.
        index: Which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int


def find_cluster(
    hosts: str = "",
    host_index: int | None = None,
    environment: MutableMapping[str, str] = os.environ,
) -> Cluster | None:
    """Returns the job that this process is a part of.

    Args:
        hosts: `host:port,host:port,…`; empty for what `TF_CONFIG` says.
        host_index: Which of `hosts` this one is, from 0.
        environment: Where `TF_CONFIG` stands, and is put where `hosts` are
            given: TensorFlow reads it there.

    Returns:
        The cluster; None where this process is a job by itself.

    Raises:
        ValueError: They don't describe a job of equal workers.
    """
    if not hosts and host_index is not None:
        raise ValueError(
            "`host_index` goes with `hosts`. Received: "
            f"host_index={host_index}, hosts={hosts!r}"
        )
    if hosts:
        cluster = _of_flags(hosts, host_index, environment)
    elif environment.get(TF_CONFIG):
        cluster = _of_tf_config(environment[TF_CONFIG])
    else:
        return None
    _check_addresses(cluster.addresses)
    if hosts and len(cluster.addresses) > 1:
        environment[TF_CONFIG] = _to_tf_config(cluster)
    return cluster if len(cluster.addresses) > 1 else None


def _of_flags(hosts: str, host_index: int | None, environment) -> Cluster:
    addresses = tuple(x.strip() for x in hosts.split(",") if x.strip())
    if host_index is None or not 0 <= host_index < len(addresses):
        raise ValueError(
            f"`host_index` must be from 0 to {len(addresses) - 1}, a number "
            f"of its own on each of the hosts {', '.join(addresses)}. "
            f"Received: host_index={host_index}"
        )
    cluster = Cluster(addresses, host_index)
    stated = environment.get(TF_CONFIG)
    if stated and _of_tf_config(stated) != cluster:
        raise ValueError(
            f"`hosts` and {TF_CONFIG} must not contradict each other: leave "
            f"one of them out. Received: hosts={hosts!r}, "
            f"host_index={host_index}, {TF_CONFIG}={stated}"
        )
    return cluster


def _of_tf_config(text: str) -> Cluster:
    try:
        content = json.loads(text)
        jobs = {name: list(tasks) for name, tasks in content["cluster"].items()}
        kind, index = content["task"]["type"], int(content["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{TF_CONFIG} must be JSON of the form "
            '{"cluster": {"worker": ["HOST:PORT", …]}, '
            '"task": {"type": "worker", "index": 0}}. '
            f"Received: {text} ({type(error).__name__}: {error})"
        ) from error
    if not set(jobs) <= {"chief", "worker"} or len(jobs.get("chief", [])) > 1:
        raise ValueError(
            f"{TF_CONFIG} must have workers, and one chief at most: every "
            f"host does the same work here. Received: {jobs}"
        )
    if not 0 <= index < len(jobs.get(kind, [])):
        raise ValueError(
            f"The task of {TF_CONFIG} must be one of its cluster. Received: "
            f"type {kind!r}, index {index}, cluster {jobs}"
        )
    before = len(jobs.get("chief", [])) if kind == "worker" else 0
    addresses = [*jobs.get("chief", []), *jobs.get("worker", [])]
    return Cluster(tuple(map(str, addresses)), before + index)


def _check_addresses(addresses) -> None:
    for address in addresses:
        name, _, port = address.rpartition(":")
        if not name or not port.isdigit():
            raise ValueError(
                "The address of a host must be HOST:PORT. Received: "
                f"{address!r}"
            )
    if len(set(addresses)) < len(addresses):
        raise ValueError(
            "Each host must have an address of its own. Received: "
            f"{', '.join(addresses)}"
        )


def _to_tf_config(cluster: Cluster) -> str:
    return json.dumps(
        {
            "cluster": {"worker": cluster.addresses},
            "task": {"type": "worker", "index": cluster.index},
        }
    )
