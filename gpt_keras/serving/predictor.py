"""A request for a loaded version comes in, its outputs go out."""

import math
import time
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from gpt_keras.serving.batching_options import BatchingOptions
from gpt_keras.serving.model_versions import Use
from gpt_keras.serving.request_batching import BatchScheduler
from gpt_keras.serving.request_batching import deadline_error
from gpt_keras.serving.servable import DEFAULT_SIGNATURE
from gpt_keras.serving.serving_errors import invalid
from gpt_keras.serving.serving_metrics import BATCH_SIZE
from gpt_keras.serving.serving_metrics import QUEUING_LATENCY
from gpt_keras.serving.serving_metrics import ROW_BOUNDS
from gpt_keras.serving.serving_metrics import RUNTIME_LATENCY
from gpt_keras.serving.serving_metrics import Metrics
from gpt_keras.serving.tensor_messages import check_inputs


class Predictor:
    """Runs signatures, in batches where it is told so.

    Args:
        metrics: Gets the durations.
        batching: How requests are merged; None for not at all.
    """

    def __init__(
        self, metrics: Metrics, batching: BatchingOptions | None = None
    ):
        self._metrics = metrics
        self._scheduler = None
        if batching is not None:
            self._scheduler = BatchScheduler(batching, self._observe)

    def predict(
        self,
        use: Use,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str] = (),
        deadline: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Answers one request.

        Args:
            use: Of the version.
            signature_name: Empty for the default.
            inputs: Arrays by name.
            output_filter: The outputs to return; all by default.
            deadline: By `time.monotonic`; None for none.

        Raises:
            ServingError: The request breaks a rule, TensorFlow's error, or
                the deadline has passed.
        """
        name = signature_name or DEFAULT_SIGNATURE
        signature = use.servable.signature(name)
        inputs = check_inputs(signature, inputs)
        names = _checked_filter(output_filter, signature)

        def run(inputs, deadline):
            return self._run(use, name, inputs, deadline)

        if self._scheduler is None:
            outputs = run(inputs, deadline)
        else:
            # The servable itself: a number can come back for another folder.
            key = (id(use.servable), name)
            outputs = self._scheduler.run(key, run, inputs, deadline)
        return {name: outputs[name] for name in names}

    def close(self) -> None:
        """Ends the threads."""
        if self._scheduler is not None:
            self._scheduler.close()

    def _run(self, use, signature_name, inputs, deadline):
        timeout_ms = 0
        start = time.monotonic()
        if deadline is not None:
            timeout_ms = math.ceil((deadline - start) * 1000)
            if timeout_ms <= 0:
                raise deadline_error()
            timeout_ms = min(timeout_ms, _LONGEST_MS)
        outputs = use.servable.run(signature_name, inputs, timeout_ms)
        self._metrics.observe(
            RUNTIME_LATENCY,
            (time.monotonic() - start) * 1e6,
            model_name=use.name,
            API="Predict",
            runtime="TF1",
        )
        return outputs

    def _observe(self, num_rows, seconds):
        self._metrics.observe(BATCH_SIZE, num_rows, ROW_BOUNDS)
        self._metrics.observe(QUEUING_LATENCY, seconds * 1e6)


_LONGEST_MS = 10**9  # twelve days


def _checked_filter(names, signature):
    known = sorted(signature.outputs)
    if unknown := sorted(set(names) - set(known)):
        raise invalid(
            "The `output_filter` must name outputs of the signature, "
            f"{known}. Received: {unknown}"
        )
    if len(set(names)) < len(names):
        raise invalid(
            "The `output_filter` must name each output once. Received: "
            f"{list(names)}"
        )
    return list(names) or known
