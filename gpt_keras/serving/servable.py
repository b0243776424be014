"""A version folder comes in, a model that answers requests goes out.

It is loaded by TensorFlow's v1 loader into a `Session` of its own, as in TF
Serving, and never compiled by XLA.
"""

import contextlib
import gc
import os
import threading
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError
from gpt_keras.serving.serving_errors import as_serving_errors
from gpt_keras.serving.serving_errors import invalid
from gpt_keras.serving.tensor_messages import check_inputs
from gpt_keras.serving.tensor_messages import read_tensors
from gpt_keras.serving.warm_up import MAX_RECORDS
from gpt_keras.serving.warm_up import WARM_UP_FILE

DEFAULT_SIGNATURE = "serving_default"
_INIT_SIGNATURE = "__saved_model_init_op"


class SessionOptions(NamedTuple):
    """How versions are loaded.

    Attributes:
        tags: Of the graph in the SavedModel.
        intra_op_threads: For one operation; 0 for the machine's cores.
        inter_op_threads: For operations beside each other; 0 for the cores.
        warm_up: Whether the warm-up requests of the folder are replayed.
    """

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    warm_up: bool = True


class Servable:
    """A loaded version of a model.

    Args:
        path: Its folder.
        options: How to load it.

    Attributes:
        signatures: `SignatureDef` by name.

    Raises:
        ServingError: The folder can't be loaded, or a warm-up request fails.
    """

    def __init__(self, path: str, options: SessionOptions):
        self._changed = threading.Condition()
        self._num_running = 0
        self._is_closed = False
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(
            graph=graph, config=_session_config(options)
        )
        try:
            with as_serving_errors(), graph.as_default():
                loaded = tf.compat.v1.saved_model.load(
                    self._session, list(options.tags), path
                )
                graph.finalize()
            _check_no_xla(loaded.graph_def)
            self.signatures = {
                name: signature
                for name, signature in loaded.signature_def.items()
                if name != _INIT_SIGNATURE
            }
            if options.warm_up:
                self._replay(os.path.join(path, WARM_UP_FILE))
        except BaseException:
            self._session.close()
            raise

    def signature(self, name: str, code=Code.FAILED_PRECONDITION):
        """Returns a signature.

        Args:
            name: Empty for the default.
            code: Of the error.

        Raises:
            ServingError: There is none of this name.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise ServingError(
                code,
                f"The model has no signature {name!r}. It has "
                f"{sorted(self.signatures)}",
            )
        return self.signatures[name]

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        timeout_ms: int = 0,
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature_name: Of one that exists.
            inputs: Arrays that fit it.
            timeout_ms: After so long the run is interrupted; 0 for never.

        Returns:
            Every output, by name.

        Raises:
            ServingError: TensorFlow's error, or the model is closed.
        """
        signature = self.signatures[signature_name]
        fetches = {name: x.name for name, x in signature.outputs.items()}
        feeds = {
            signature.inputs[name].name: array for name, array in inputs.items()
        }
        options = tf.compat.v1.RunOptions(timeout_in_ms=timeout_ms)
        with self._running(), as_serving_errors():
            return self._session.run(fetches, feeds, options=options)

    def interrupt(self) -> None:
        """Ends what runs with an error."""
        with self._changed:
            self._is_closed = True
        self._session.close()

    def close(self) -> None:
        """Waits for what runs, and frees the model's memory."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._num_running)
        self._session.close()
        self._session = None
        gc.collect()  # a graph refers to itself

    @contextlib.contextmanager
    def _running(self):
        with self._changed:
            if self._is_closed:
                raise ServingError(
                    Code.UNAVAILABLE, "The version has been unloaded."
                )
            self._num_running += 1
        try:
            yield
        finally:
            with self._changed:
                self._num_running -= 1
                self._changed.notify_all()

    def _replay(self, file):
        """Runs the warm-up requests, each once."""
        if not os.path.exists(file):
            return
        with as_serving_errors():
            records = list(
                tf.data.TFRecordDataset(file)
                .take(MAX_RECORDS + 1)
                .as_numpy_iterator()
            )
        if len(records) > MAX_RECORDS:
            raise invalid(
                f"A version must have at most {MAX_RECORDS} warm-up requests."
            )
        for index, record in enumerate(records):
            try:
                self._replay_one(record)
            except ServingError as error:
                raise ServingError(
                    error.code,
                    f"Warm-up request {index} failed: {error.message}",
                ) from error

    def _replay_one(self, record):
        with as_serving_errors():
            log = prediction_log_pb2.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") != "predict_log":
            raise ServingError(
                Code.UNIMPLEMENTED,
                "Warm-up requests must be of the kind predict_log. Received: "
                f"{log.WhichOneof('log_type')}",
            )
        request = log.predict_log.request
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        inputs = read_tensors(request.inputs)
        self.run(name, check_inputs(self.signature(name), inputs))


def _session_config(options):
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=options.intra_op_threads,
        inter_op_parallelism_threads=options.inter_op_threads,
    )
    optimizer = config.graph_options.optimizer_options
    optimizer.global_jit_level = type(optimizer).OFF
    config.gpu_options.allow_growth = True
    return config


def _check_no_xla(graph):
    """Refuses a graph that TF Serving could load and not run."""
    for function in graph.library.function:
        if function.attr["_XlaMustCompile"].b:
            raise ServingError(
                Code.INTERNAL,
                "A graph must have no function that is marked for XLA, which "
                "a stock TF Serving refuses to run. Received: "
                f"{function.signature.name}",
            )
