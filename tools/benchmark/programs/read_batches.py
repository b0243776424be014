"""Reads batches by the pipeline, from random tokens on a disk."""

import pathlib
import tempfile
import time

import numpy as np
import worker

from gpt_keras.data.pipeline import training_batches
from gpt_keras.data.token_store import TokenSplit

_FAR = 10**8  # a step far into a run
_ENDLESS = 10**9


def make(options):
    """Options: `length`; `batch_size`; `batches` of a repeat; `vocab_size`."""
    ids = worker.random_ids(2_000_000, options["vocab_size"]).astype(np.int32)
    folder = tempfile.TemporaryDirectory()
    path = pathlib.Path(folder.name) / "ids.npy"
    np.save(path, ids)
    split = TokenSplit.from_array(
        np.load(path, mmap_mode="r"), vocab_size=options["vocab_size"]
    )

    def batches(start):
        return training_batches(
            split,
            length=options["length"],
            batch_size=options["batch_size"],
            seed=0,
            start_step=start,
            num_steps=_ENDLESS,
        )

    next(iter(batches(0)))  # traces
    far = batches(_FAR)
    started = time.perf_counter()
    next(iter(far))
    start_seconds = time.perf_counter() - started
    iterator = iter(batches(0))

    def repeat():
        for _ in range(options["batches"]):
            next(iterator)
        return {"units": options["batches"], "folder": folder.name}

    return {"start_seconds": start_seconds}, repeat


if __name__ == "__main__":
    worker.serve(make)
