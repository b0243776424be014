r"""Tells what a large token store costs: memory, start, pace, verification.

    python -m tools.measure_store --gigabytes=1 --json=store.json

Shards of random ids are written, which are deleted at the end. A process of
its own trains a small model on a few tokens in memory, and then on the store
from a late step on: how much higher its peak is, is what the store costs. The
exit status is 1 above `--limit` or where the first batch takes a second.
"""

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time
from typing import Any

import numpy as np
from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli.process_memory import memory
from gpt_keras.cli.process_memory import reset_peak
from gpt_keras.data.pipeline import training_batches
from gpt_keras.data.token_manifest import new_manifest
from gpt_keras.data.token_manifest import write_manifest
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.data.token_store import TokenStore
from gpt_keras.files import write_atomically
from gpt_keras.model import GPTModel

_GIGABYTE = 10**9
_SHARD_TOKENS = 2**25
# Batches for the small model.
_FIT: dict[str, Any] = {"batch_size": 1, "num_steps": 3}
_QUIET: dict[str, Any] = {"shuffle": False, "verbose": 0}
_KEEP_FREE = _GIGABYTE
_SETTLED = 3  # seconds after which a file's time tells of a change


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_float(
        "gigabytes", 1.0, "Bytes of the shards / 1e9.", flag_values=values
    )
    flags.DEFINE_string(
        "directory",
        tempfile.gettempdir(),
        "Where the shards are written.",
        flag_values=values,
    )
    for name, default, text in (
        ("vocab_size", 50257, "Of the ids; up to 65,536."),
        ("max_length", 1024, "Tokens in a window."),
        ("batch_size", 8, "Windows in a batch."),
        ("first_step", 10**8, "Where the run begins."),
        ("batches", 2000, "Batches whose pace is measured."),
    ):
        flags.DEFINE_integer(name, default, text, flag_values=values)
    flags.DEFINE_float(
        "limit", 1.0, "Gigabytes of memory for the store.", flag_values=values
    )
    flags.DEFINE_string(
        "json", None, "File to write the figures to.", flag_values=values
    )
    flags.DEFINE_string(
        "only",
        None,
        "What to measure in this process, as JSON.",
        flag_values=values,
    )


def main(values):
    """Prints the figures; returns the exit status."""
    if values.only:
        print(json.dumps(measure(**json.loads(values.only))))
        return 0
    _check_space(values)
    with tempfile.TemporaryDirectory(
        dir=values.directory, prefix="measure_store."
    ) as folder:
        begin = time.monotonic()
        write_random_store(folder, values.gigabytes, values.vocab_size)
        print(f"written in {time.monotonic() - begin:.1f} s", flush=True)
        time.sleep(_SETTLED)
        names = ("max_length", "batch_size", "first_step", "batches")
        settings = {name: values[name].value for name in names}
        found = program.run_alone(
            __spec__.name, json.dumps({"folder": folder, **settings})
        )
    found = {"gigabytes": values.gigabytes, **settings, **found}
    for name, figure in found.items():
        decimals = 3 if isinstance(figure, float) else 0
        print(f"{name:36} {figure:20,.{decimals}f}")
    if values.json:
        write_atomically(values.json, json.dumps(found, indent=2) + "\n")
    too_large = found["store_peak_memory_bytes"] > values.limit * _GIGABYTE
    return 1 if too_large or found["first_batch_seconds"] >= 1 else 0


def measure(
    folder, max_length: int, batch_size: int, first_step: int, batches: int
) -> dict[str, float]:
    """Trains on few tokens and on a store in this process.

    Returns:
        Seconds, bytes of memory and batches per second, by name.
    """
    sizes: dict[str, Any] = {"length": max_length, "seed": 0}
    few = TokenSplit.from_array(np.zeros(2 * max_length + 1, np.uint16))
    vocab_size = TokenStore(folder, verify=False).vocab_size
    model = GPTModel(vocab_size, 32, 2, 64, max_length, num_layers=1)
    model.compile("adam")
    model.fit(training_batches(few, **sizes, **_FIT), **_QUIET)
    before = {
        "peak_memory_bytes": memory("VmHWM"),
        "anonymous_memory_bytes": memory("RssAnon"),
    }
    reset_peak()

    found = {"verification_seconds": _seconds(lambda: TokenStore(folder))}
    begin = time.monotonic()
    split = TokenStore(folder).split("train")
    found["second_opening_seconds"] = time.monotonic() - begin
    sizes["start_step"] = first_step
    begin = time.monotonic()
    dataset = training_batches(
        split, batch_size=batch_size, num_steps=batches, **sizes
    )
    iterator = iter(dataset)
    found["tracing_seconds"] = time.monotonic() - begin
    found["first_batch_seconds"] = _seconds(lambda: next(iterator))
    begin, count = time.monotonic(), 0
    anonymous = 0
    for count, _ in enumerate(iterator, 1):  # noqa: B007
        if count % 100 == 0:
            anonymous = max(anonymous, memory("RssAnon"))
    found["batches_per_second"] = count / (time.monotonic() - begin)
    model.fit(training_batches(split, **sizes, **_FIT), **_QUIET)
    after = {
        "peak_memory_bytes": memory("VmHWM"),
        "anonymous_memory_bytes": max(anonymous, memory("RssAnon")),
    }
    for name, size in after.items():
        found[name] = size
        found[f"store_{name}"] = max(size - before[name], 0)
    return {"tokens": split.num_tokens, "shards": _shards(folder), **found}


def write_random_store(folder, gigabytes: float, vocab_size: int) -> None:
    """Writes a store of random ids, and asks the system to forget it."""
    folder = pathlib.Path(folder)
    rng = np.random.default_rng(0)
    left = int(gigabytes * _GIGABYTE / 2)
    shards: list[dict[str, Any]] = []
    while left:
        count = min(left, _SHARD_TOKENS)
        data = rng.integers(0, vocab_size, count, np.uint16).tobytes()
        name = f"train-{len(shards):05d}.bin"
        with open(folder / name, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            # Else the first reading would be from memory.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        digest = hashlib.sha256(data).hexdigest()
        shards.append({"file": name, "tokens": count, "sha256": digest})
        left -= count
    train = {
        "documents": 1,
        "characters": 0,
        "bytes": 0,
        "shards": shards,
        "tokens": sum(int(shard["tokens"]) for shard in shards),
    }
    write_manifest(
        folder,
        new_manifest()
        | {
            "dtype": "<u2",
            "vocab_size": vocab_size,
            "end_of_text_id": vocab_size - 1,
            "tokenizer": "",
            "source": {"kind": "random"},
            "settings": {},
            "splits": {"train": train},
        },
    )


def _check_space(values) -> None:
    if not (values.gigabytes > 0 and 2 <= values.vocab_size <= 2**16):
        raise ValueError(
            "`gigabytes` must be positive and `vocab_size` from 2 to 65,536. "
            f"Received: gigabytes={values.gigabytes}, "
            f"vocab_size={values.vocab_size}."
        )
    free = shutil.disk_usage(values.directory).free
    if free < values.gigabytes * _GIGABYTE + _KEEP_FREE:
        raise ValueError(
            f"{values.directory!r} must have room for the shards and a "
            f"gigabyte more. Received: {free / _GIGABYTE:.1f} GB free, "
            f"gigabytes={values.gigabytes}."
        )


def _seconds(function) -> float:
    begin = time.monotonic()
    function()
    return time.monotonic() - begin


def _shards(folder) -> int:
    return len(list(pathlib.Path(folder).glob("*.bin")))


def run():
    """Runs the program."""
    program.run(define_flags, main)


if __name__ == "__main__":
    run()
