"""A version folder comes in, the requests of its warm-up file go out."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

WARM_UP = os.path.join("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000  # a server refuses a version with more


class Request(NamedTuple):
    """What a client asks for.

    Attributes:
        signature: Its name.
        inputs: An array for each input; strings are objects of bytes.
    """

    signature: str
    inputs: dict[str, np.ndarray]

    @property
    def rows(self) -> int:
        """The size of the batch."""
        sizes = [x.shape[0] if x.ndim else 0 for x in self.inputs.values()]
        return min(sizes, default=0)

    @property
    def draws_seed(self) -> bool:
        """Whether each answer is another one."""
        return bool(np.any(self.inputs.get("seed", 0) < np.int64(0)))

    def with_seed(self) -> "Request":
        """Returns the request with 0 for each seed that is to be drawn."""
        seed = np.maximum(self.inputs["seed"], 0)
        return self._replace(inputs=self.inputs | {"seed": seed})

    def without_rows(self) -> "Request":
        """Returns the request for an empty batch."""
        inputs = {
            name: value[:0] if value.ndim else value
            for name, value in self.inputs.items()
        }
        return self._replace(inputs=inputs)


def read_warm_up(version_dir, signatures) -> list[Request]:
    """Returns the requests that a server replays when it loads a version.

    Args:
        version_dir: The version folder; it may have no warm-up file.
        signatures: A `SignatureDef` for each name.

    Raises:
        ValueError: The file is damaged or too long, or a record does not fit
            the signatures.
    """
    path = os.path.join(version_dir, WARM_UP)
    if not os.path.isfile(path):
        return []
    try:
        records = [x.numpy() for x in tf.data.TFRecordDataset(path)]
    except tf.errors.OpError as error:
        raise ValueError(f"{WARM_UP} is damaged: {error.message}") from error
    if len(records) > MAX_RECORDS:
        raise ValueError(
            f"{WARM_UP} must have at most {MAX_RECORDS} records. Received: "
            f"{len(records)}"
        )
    requests = []
    for number, record in enumerate(records, 1):
        try:
            requests.append(_request(record))
            check_request(requests[-1], signatures)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"Record {number} of {WARM_UP} fails: {error}"
            ) from error
    return requests


def check_request(request: Request, signatures) -> None:
    """Checks that a signature takes a request.

    Raises:
        ValueError: There is no such signature, or inputs are missing,
            unknown or of another type.
    """
    if request.signature not in signatures:
        raise ValueError(
            f"The signature must be one of {list(signatures)}. Received: "
            f"{request.signature!r}"
        )
    wanted = {
        name: np.dtype(tf.dtypes.as_dtype(info.dtype).as_numpy_dtype).name
        for name, info in signatures[request.signature].inputs.items()
    }
    received = {name: x.dtype.name for name, x in request.inputs.items()}
    if received != wanted:
        raise ValueError(
            f"`{request.signature}` takes {dict(sorted(wanted.items()))}. "
            f"Received: {dict(sorted(received.items()))}"
        )


def _request(record):
    log = prediction_log_pb2.PredictionLog()
    try:
        log.ParseFromString(record)
    except Exception as error:  # protobuf's own class, which moves
        raise ValueError(f"it is no PredictionLog: {error}") from error
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        raise ValueError(f"it must be a `predict_log`. Received: {kind}")
    request = log.predict_log.request
    inputs = {name: tf.make_ndarray(x) for name, x in request.inputs.items()}
    return Request(
        request.model_spec.signature_name or "serving_default", inputs
    )
