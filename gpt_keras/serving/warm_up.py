"""Signatures come in, the requests that a server replays at a load go out.

The first run of a graph is slow. TF Serving runs what it finds in
`assets.extra/tf_serving_warmup_requests` before it takes a version into
service, so that no user pays for it. A request that fails stops the load.
"""

import os
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.settings import SETTINGS

WARM_UP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000  # TF Serving refuses a version with more
# Up to `max_batch_size` in saved_models/batching_parameters.txt.
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
NEW_TOKENS = 4  # enough for every step of the loop, and cheap
NUM_BEAMS = 2  # of the rows that have several
# Rows with a cache are large: a few of them are enough.
CACHE_BATCH_SIZES = (1, 4)


class WarmUpRequest(NamedTuple):
    """One call of a signature.

    Attributes:
        signature_name: Of the signature.
        inputs: Arrays by input name, the rows of the batch first.
    """

    signature_name: str
    inputs: dict[str, np.ndarray]


def make_warm_up(
    signatures: Mapping[str, Sequence[tf.TensorSpec]],
    batch_sizes: Sequence[int] = BATCH_SIZES,
    max_new_tokens: int | None = None,
    state_bytes: bytes = b"",
    max_beams: int | None = None,
) -> list[WarmUpRequest]:
    """Makes a request for every signature and batch size.

    A signature that takes `state_bytes` gets those of `CACHE_BATCH_SIZES`
    alone.

    Args:
        signatures: The specs of each signature's inputs, by its name.
        batch_sizes: The numbers of rows.
        max_new_tokens: The most that the signatures allow; None for no limit.
        state_bytes: Of a row that goes on.
        max_beams: The most that the signatures allow; None for no limit.

    Returns:
        One request for each pair.

    Raises:
        ValueError: There is no example for an input, or the example does not
            fit its spec.

    Example:

    >>> prompts = tf.TensorSpec([None], tf.string, "prompts")
    >>> make_warm_up({"serving_default": [prompts]}, [2])[0].inputs
    {'prompts': array([b'The', b''], dtype=object)}
    """
    return [
        WarmUpRequest(
            name,
            example_inputs(specs, size, max_new_tokens, state_bytes, max_beams),
        )
        for name, specs in signatures.items()
        for size in batch_sizes
        if size in CACHE_BATCH_SIZES or not _has_cache(specs)
    ]


def _has_cache(specs):
    return any(spec.name == "state_bytes" for spec in specs)


def example_inputs(
    specs: Sequence[tf.TensorSpec],
    batch_size: int,
    max_new_tokens: int | None = None,
    state_bytes: bytes = b"",
    max_beams: int | None = None,
) -> dict[str, np.ndarray]:
    """Makes the inputs of one request.

    The first row has every setting on; those after it are plain, invalid,
    rolling and empty, in turn, so that the rows of a batch take every way
    through the graph that few tokens can.

    Args:
        specs: Of the inputs, with their names.
        batch_size: The number of rows.
        max_new_tokens: The most that may be asked for; None for no limit.
        state_bytes: Of a row that goes on.
        max_beams: As `max_new_tokens`.

    Returns:
        An array for each input.

    Raises:
        ValueError: There is no example for an input, or the example does not
            fit its spec.
    """
    limit = NEW_TOKENS if max_new_tokens is None else max_new_tokens
    num_beams = NUM_BEAMS if max_beams is None else min(NUM_BEAMS, max_beams)
    given = {"state_bytes": state_bytes, "num_beams": num_beams}
    everything = _EVERYTHING | given
    rows = [everything | _row(index, limit) for index in range(batch_size)]
    return {spec.name: _column(spec, rows) for spec in specs}


def write_warm_up(
    path: str | os.PathLike, model_name: str, requests: Iterable[WarmUpRequest]
) -> None:
    """Writes requests as TF Serving replays them: a TFRecord of
    `PredictionLog`.

    Args:
        path: The file, `WARM_UP_FILE` in the version folder; missing folders
            are made.
        model_name: The name that the server has for the model.
        requests: At most `MAX_RECORDS`.

    Raises:
        ValueError: There are more requests.
        OSError: The file can't be written.
    """
    requests = list(requests)
    if len(requests) > MAX_RECORDS:
        raise ValueError(
            f"A version must have at most {MAX_RECORDS} warm-up requests. "
            f"Received: {len(requests)}"
        )
    path = os.fspath(path)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    try:
        with tf.io.TFRecordWriter(path) as writer:
            for request in requests:
                record = _record(model_name, request)
                writer.write(record.SerializeToString(deterministic=True))
    except tf.errors.OpError as error:
        raise OSError(
            f"The warm-up requests can't be written: {error.message}"
        ) from error


def _record(model_name, request):
    record = prediction_log_pb2.PredictionLog()
    predict = record.predict_log.request
    predict.model_spec.name = model_name
    predict.model_spec.signature_name = request.signature_name
    for name, values in request.inputs.items():
        predict.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return record


def _texts(*texts):
    return SEPARATOR.join(texts)


# A row with every input of every signature, and all that is optional used.
_EVERYTHING = {
    "prompts": "The",
    "texts": " cat sat on the mat.",
    "source": "The cat sat on the mat.",
    "context": "The cat sat on the mat.",
    "question": "Who sat on the mat?",
    "document": "The cat sat on the mat. It slept.",
    "prompt": "Who sat on the mat?",
    "messages": _texts("Hello.", "Hello!", "Who sat on the mat?"),
    "choices": _texts(" yes", " not at all"),
    "per_token": True,
    "normalize": True,
    "token_ids": [0, 1],
    "lengths": 2,
    "state_bytes": b"",
    "steps": NEW_TOKENS // 2,
    "continuation": "",
    "max_new_tokens": NEW_TOKENS,
    "num_beams": NUM_BEAMS,
    "length_penalty": 0.6,
    "temperature": 0.8,
    "top_k": 40,
    "top_p": 0.95,
    "min_p": 0.01,
    "repetition_penalty": 1.1,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "no_repeat_ngram": 3,
    "seed": -1,
    "stop": _texts("\n\n", "The end"),
    "banned": _texts("forbidden", "prohibited"),
    "overflow": "roll",
}
_OFF = {
    name: setting.default
    for name, setting in SETTINGS.items()
    if name != "max_new_tokens"
}
# What sets the other rows apart, in turn.
_CHANGES = (
    {},
    _OFF
    | {
        "prompts": "",
        "temperature": 0.0,
        "lengths": 1,
        "steps": 0,
        "num_beams": 1,
        "per_token": False,
        "normalize": False,
    },
    {
        "prompts": b"\xff",
        "temperature": -1.0,
        "num_beams": 0,
        "choices": "",
        "token_ids": [-1, 0],
        "state_bytes": b"\xff",
    },
    _OFF | {"prompts": "Once upon a time, ", "texts": "", "lengths": 0},
)


def _row(index, limit):
    """Returns what sets the row apart."""
    changes = _CHANGES[index % len(_CHANGES)]
    return changes | {"max_new_tokens": min(NEW_TOKENS, limit)}


def _column(spec, rows):
    """Returns an input's values `(batch,)` or `(batch, length)`."""
    if spec.name not in _EVERYTHING:
        raise ValueError(
            "Every input of a signature must have an example for the warm-up. "
            f"Received: {spec.name!r}; there are examples for "
            f"{sorted(_EVERYTHING)}"
        )
    values = [_as_bytes(row[spec.name]) for row in rows]
    is_text = isinstance(values[0], bytes)
    # NumPy's strings lose the zeros at their ends.
    values = np.array(values, object if is_text else None)
    has_kind = {
        "O": spec.dtype == tf.string,
        "b": spec.dtype.is_bool,
        "i": spec.dtype.is_integer,
        "f": spec.dtype.is_floating,
    }
    if not has_kind[values.dtype.kind] or not spec.shape.is_compatible_with(
        values.shape
    ):
        raise ValueError(
            f"The example of `{spec.name}` for the warm-up must fit its spec. "
            f"Received: {rows[0][spec.name]!r} for {spec}"
        )
    return values.astype(spec.dtype.as_numpy_dtype)


def _as_bytes(value):
    return value.encode() if isinstance(value, str) else value
