"""The beginning and end of a request come in, counts and durations go out."""

import contextlib
import logging
import time
from collections.abc import Iterator

from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError
from gpt_keras.serving.serving_errors import as_serving_errors
from gpt_keras.serving.serving_metrics import REQUEST_COUNT
from gpt_keras.serving.serving_metrics import REQUEST_LATENCY
from gpt_keras.serving.serving_metrics import SIGNATURE_COUNT
from gpt_keras.serving.serving_metrics import SIGNATURE_LATENCY
from gpt_keras.serving.serving_metrics import Metrics

_logger = logging.getLogger(__name__)
_UNKNOWN = "unknown"


class RequestRecord:
    """What becomes known of a request while it is answered.

    A client can make up any name: only those that exist are kept.

    Attributes:
        model_name: Of a model that exists.
        signature_name: Of a signature that exists.
    """

    def __init__(self):
        self.model_name = _UNKNOWN
        self.signature_name = _UNKNOWN


@contextlib.contextmanager
def recorded(metrics: Metrics, entrypoint: str) -> Iterator[RequestRecord]:
    """Inside, a prediction is answered, which is counted at the end.

    Args:
        metrics: Gets the counts.
        entrypoint: REST or GRPC.

    Raises:
        ServingError: Whatever goes wrong inside.
    """
    record, start, code = RequestRecord(), time.monotonic(), Code.OK
    try:
        with as_serving_errors():
            yield record
    except ServingError as error:
        code = error.code
        if code == Code.INTERNAL:
            _logger.warning("A request failed", exc_info=True)
        raise
    finally:
        micros = (time.monotonic() - start) * 1e6
        _count(metrics, entrypoint, record, code.name, micros)


def _count(metrics, entrypoint, record, status, micros):
    model = {"model_name": record.model_name}
    metrics.count(REQUEST_COUNT, **model, status=status)
    if status == Code.OK.name:
        metrics.observe(
            REQUEST_LATENCY,
            micros,
            **model,
            API="Predict" if entrypoint == "GRPC" else "predict",
            entrypoint=entrypoint,
        )
    signature = {**model, "signature_name": record.signature_name}
    metrics.count(SIGNATURE_COUNT, **signature, status=status)
    metrics.observe(SIGNATURE_LATENCY, micros, **signature, status=status)
