"""A tokenizer's folder in, processes that encode texts out."""

import os
import pathlib
import queue
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from gpt_keras.data import encoding_worker
from gpt_keras.text import tokenizer_file
from gpt_keras.text.host_encoding import KINDS

# The package's own __init__ imports TensorFlow, half a gigabyte a process, and
# a process that was forked from one where TensorFlow runs may hang.
_PROGRAM = """
import sys
import types

package = types.ModuleType("gpt_keras")
package.__path__ = [sys.argv[1]]
sys.modules["gpt_keras"] = package

from gpt_keras.data import encoding_worker

encoding_worker.main(sys.argv[2])
"""
_PACKAGE = pathlib.Path(__file__).parents[1]


class EncoderPool:
    """Encodes in processes of its own, which import no TensorFlow.

    A process is started when it is needed, and ends with the pool, or when
    the process that made the pool is no more. `encode_batch` may be called
    from as many threads as there are workers.

    Args:
        directory: The folder of `tokenizer.json`.
        workers: How many processes there may be.

    Raises:
        ValueError: The tokenizer is not one of `gpt_keras.text`.
    """

    def __init__(self, directory, workers: int):
        content = tokenizer_file.read(directory)
        if content["kind"] not in KINDS:
            raise ValueError(
                f"`workers` need a tokenizer of the kind {KINDS}. Received: "
                f"{content['kind']!r}."
            )
        self._directory = directory
        self._free = queue.SimpleQueue()
        self._started: list[_Worker] = []
        for _ in range(workers):
            self._free.put(None)  # one that isn't started yet

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for worker in self._started:
            worker.stop()

    def encode_batch(self, texts: list[str]) -> list[np.ndarray]:
        """Gives each text's ids, int32.

        Raises:
            ChildProcessError: The worker ended before it answered.
        """
        worker = self._free.get()
        if worker is None:
            worker = _Worker(self._directory)
            self._started.append(worker)
        try:
            return worker.encode_batch(texts)
        finally:
            self._free.put(worker)


class _Worker:
    def __init__(self, directory):
        self._errors = tempfile.TemporaryFile()
        paths = os.pathsep.join(map(os.path.abspath, sys.path))
        self._process: Any = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, _PACKAGE, directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # One thread each: there are as many workers as wanted.
            env={
                **os.environ,
                "PYTHONPATH": paths,
                "RAYON_NUM_THREADS": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
            start_new_session=True,  # Ctrl-C is for who started it
        )

    def encode_batch(self, texts: list[str]) -> list[np.ndarray]:
        try:
            parts = [text.encode() for text in texts]
            encoding_worker.send(self._process.stdin, parts)
            answer = encoding_worker.receive(self._process.stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            raise ChildProcessError(self._reason())
        return [np.frombuffer(ids, "<i4") for ids in answer]

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            try:
                file.close()
            except BrokenPipeError:  # what was not written is not wanted
                pass

    def _reason(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        printed = self._errors.read().decode("utf-8", "replace").strip()
        said = f"with status {status}"
        if status < 0:
            said = f"by signal {-status} (9 may be a lack of memory)"
        return (
            f"A worker that encodes text ended {said}. What was finished is "
            "kept: start again, perhaps with fewer `workers`. It printed: "
            f"{printed[-1000:]!r}."
        )
