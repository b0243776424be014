"""Measures the local server under load, and what it answers meanwhile.

    python -m tools.measure_serving --version_dir=saved_models/quickstart/1

It starts the server in a process of its own, asks each request alone for the
reference, then lets many clients ask at once, with mixed settings and some bad
requests. No good request may fail, no text may change, and every bad one must
be refused. The clients run in this process, on the same machine: what they
take is missing to the server. With `--upgrade`, version 2 (a copy, so that
every text can be compared) is published, labelled and rolled back under load,
which lasts until that is done.
"""

import json
import tempfile

from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli.load_clients import NEVER
from gpt_keras.cli.load_clients import LoadClients
from gpt_keras.cli.load_requests import good_requests
from gpt_keras.cli.memory_samples import SETTLED
from gpt_keras.cli.memory_samples import MemorySamples
from gpt_keras.cli.server_process import MODEL_NAME
from gpt_keras.cli.server_process import ServerProcess
from gpt_keras.cli.upgrade_under_load import LABEL
from gpt_keras.cli.upgrade_under_load import Upgrade
from gpt_keras.files import write_atomically
from gpt_keras.serving.client import Client

_MODES = ("unbatched", "batched")
_TRANSPORTS = ("REST", "gRPC")
_BATCHING = """\
max_batch_size { value: 32 }
batch_timeout_micros { value: 5000 }
num_batch_threads { value: 2 }
max_enqueued_batches { value: 100 }
"""


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_string(
        "version_dir",
        None,
        "Folder of an exported version.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_integer("clients", 64, "At once.", flag_values=values)
    flags.DEFINE_float("seconds", 60.0, "Of load.", flag_values=values)
    flags.DEFINE_float(
        "bad_share", 0.05, "Share of bad requests.", flag_values=values
    )
    flags.DEFINE_integer(
        "requests", 40, "Different good requests.", flag_values=values
    )
    flags.DEFINE_integer(
        "new_tokens", 40, "The most tokens of a row.", flag_values=values
    )
    flags.DEFINE_float(
        "timeout", 120.0, "Seconds for each request.", flag_values=values
    )
    flags.DEFINE_list(
        "modes", list(_MODES), "Of batched and unbatched.", flag_values=values
    )
    flags.DEFINE_list(
        "transports", list(_TRANSPORTS), "Of REST, gRPC.", flag_values=values
    )
    flags.DEFINE_boolean(
        "upgrade",
        False,
        "Publish, label and roll back version 2 meanwhile.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "json", None, "File that gets all figures.", flag_values=values
    )


def main(values):
    """Prints a table.

    Returns:
        1 if a good request failed or changed, a bad one was not refused, or
        the upgrade was not seen; else 0.
    """
    _check(values)
    results = []
    for mode in values.modes:
        with tempfile.TemporaryDirectory() as directory:
            results.append(_measure(mode, directory, values))
        for line in _lines(results[-1]):
            print(line, flush=True)
    if values.json is not None:
        write_atomically(values.json, json.dumps(results, indent=1) + "\n")
    return 0 if all(result["right"] for result in results) else 1


def run():
    """Runs the program."""
    program.run(define_flags, main)


def _check(values):
    for name, known in {"modes": _MODES, "transports": _TRANSPORTS}.items():
        given = values[name].value
        if not given or not {*given} <= {*known}:
            raise ValueError(
                f"`{name}` must be of {', '.join(known)}. Received: {given}"
            )
    for name in ("clients", "requests", "new_tokens", "seconds"):
        if not values[name].value > 0:
            raise ValueError(
                f"`{name}` must be positive. Received: {values[name].value}"
            )
    if not 0 <= values.bad_share < 1:
        raise ValueError(
            "`bad_share` must be from 0 to below 1. Received: "
            f"bad_share={values.bad_share}"
        )


def _measure(mode, directory, values):
    """Returns all figures of a server in one mode."""
    flags_ = []
    if mode == "batched":
        path = f"{directory}/batching_parameters.txt"
        write_atomically(path, _BATCHING)
        flags_ = ["--enable_batching", f"--batching_parameters_file={path}"]
    requests = good_requests(values.requests, values.new_tokens)
    with ServerProcess(directory, values.version_dir, flags_) as server:
        servers = {name: server.servers[name] for name in values.transports}
        references = _references(requests, servers, values.timeout)
        clients = LoadClients(
            servers,
            MODEL_NAME,
            requests,
            references,
            values.clients,
            values.bad_share,
            values.timeout,
            LABEL if values.upgrade else None,
        )
        memory = MemorySamples(server.memory)
        upgrade = Upgrade(server, values.seconds) if values.upgrade else None
        with memory:
            during = upgrade.run if upgrade else None
            elapsed, seen = clients.run(values.seconds, during)
        status = server.stop()
    return _figures(mode, values, elapsed, seen, memory, upgrade, status)


def _references(requests, servers, timeout):
    """Returns the answers one after the other, the same by each transport."""
    by_transport = []
    for server in servers.values():
        with Client(
            server, MODEL_NAME, timeout=timeout, retries=NEVER
        ) as client:
            by_transport.append([one.send(client) for one in requests])
    if any(answers != by_transport[0] for answers in by_transport):
        raise ValueError(
            "One request after the other, REST and gRPC must answer the same."
        )
    return by_transport[0]


def _figures(mode, values, elapsed, seen, memory, upgrade, status):
    rows = {}
    for name, one in seen.items():
        rows[name] = {
            "answered": len(one.seconds),
            "per_second": len(one.seconds) / elapsed,
            "rows_per_second": one.rows / elapsed,
            "tokens_per_second": one.tokens / elapsed,
            "failed": one.failed,
            "changed": one.changed,
            "errors": dict(one.errors),
            "bad_refused": one.refused,
            "bad_not_refused": dict(one.not_refused),
        }
        for share in (0.5, 0.9, 0.99) if one.seconds else ():
            rows[name][f"p{share * 100:.0f}"] = one.percentile(share)
    is_right = all(one.is_right for one in seen.values()) and status == 0
    return {
        "mode": mode,
        "clients": values.clients,
        "seconds": elapsed,
        "new_tokens": values.new_tokens,
        "transports": rows,
        "memory_mib": memory.figures(),
        "upgrade": upgrade.steps if upgrade else None,
        "server_exit_status": status,
        "right": is_right and (upgrade is None or upgrade.is_right),
    }


def _lines(result):
    """Gives the table of one server."""
    memory = " ".join(
        f"{name}={'?' if size is None else f'{size:.0f}'}"
        for name, size in result["memory_mib"].items()
    )
    yield (
        f"{result['mode']}: {result['clients']} clients, "
        f"{result['seconds']:.1f} s, MiB of the server from {SETTLED:.0f} s "
        f"on: {memory}"
    )
    yield (
        "transport  answered  per s  rows/s  tokens/s     p50     p90     p99"
        "  failed  changed  refused  not refused"
    )
    for name, row in result["transports"].items():
        times = [row.get(f"p{share}", float("nan")) for share in (50, 90, 99)]
        yield (
            f"{name:9}  {row['answered']:8}  {row['per_second']:5.1f}  "
            f"{row['rows_per_second']:6.1f}  {row['tokens_per_second']:8.1f}  "
            + "  ".join(f"{seconds:6.3f}" for seconds in times)
            + f"  {row['failed']:6}  {row['changed']:7}  "
            f"{row['bad_refused']:7}  {sum(row['bad_not_refused'].values())}"
        )
        for words, times_ in (row["errors"] | row["bad_not_refused"]).items():
            yield f"    {times_} times: {words}"
    for what, when, version in result["upgrade"] or ():
        yield f"    {when:6.1f} s: {what}; {LABEL} is version {version}"
    yield "right" if result["right"] else "WRONG"
