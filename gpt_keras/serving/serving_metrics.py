"""Counts and durations come in, a page for Prometheus goes out.

Names and labels of the first four are those of TF Serving.
"""

import bisect
import re
import threading
from collections.abc import Iterable
from collections.abc import Mapping

REQUEST_COUNT = ":tensorflow:serving:request_count"
REQUEST_LATENCY = ":tensorflow:serving:request_latency"
RUNTIME_LATENCY = ":tensorflow:serving:runtime_latency"
QUEUING_LATENCY = ":tensorflow:serving:batching_session:queuing_latency"
SIGNATURE_COUNT = "gpt_keras_request_count"
SIGNATURE_LATENCY = "gpt_keras_request_latency"
BATCH_SIZE = "gpt_keras_batch_rows"
VERSION_STATE = "gpt_keras_version_state"
IN_FLIGHT = "gpt_keras_requests_in_flight"

# As in TF Serving's servables/tensorflow/util.cc: 33 buckets of microseconds.
LATENCY_BOUNDS = tuple(10 * 1.8**power for power in range(33))
ROW_BOUNDS = tuple(2.0**power for power in range(12))


class Metrics:
    """Counters and histograms by name and labels, for many threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._counters = {}
        self._histograms = {}

    def count(self, name: str, **labels: str) -> None:
        """Adds one to a counter."""
        key = (name, tuple(labels.items()))
        with self._lock:
            self._counters[key] = self._counters.get(key, 0) + 1

    def observe(
        self,
        name: str,
        value: float,
        bounds: tuple[float, ...] = LATENCY_BOUNDS,
        **labels: str,
    ) -> None:
        """Adds a value to a histogram.

        Args:
            name: Of the histogram.
            value: To add.
            bounds: The upper ends of its buckets.
            **labels: Of the histogram.
        """
        key = (name, tuple(labels.items()))
        with self._lock:
            if key not in self._histograms:
                counts = [0] * (len(bounds) + 1)
                self._histograms[key] = [bounds, counts, 0.0]
            histogram = self._histograms[key]
            histogram[1][bisect.bisect_left(bounds, value)] += 1
            histogram[2] += value

    def page(
        self, gauges: Iterable[tuple[str, Mapping[str, str], float]] = ()
    ) -> str:
        """Returns all of it in Prometheus' text format.

        Args:
            gauges: Values of this moment: name, labels, value.
        """
        with self._lock:
            counters = sorted(self._counters.items())
            histograms = sorted(
                (key, (bounds, tuple(counts), total))
                for key, (bounds, counts, total) in self._histograms.items()
            )
        lines = []
        for (name, labels), value in counters:
            _add(lines, name, "counter", [f"{name}{_labels(labels)} {value}"])
        for (name, labels), histogram in histograms:
            _add(lines, name, "histogram", _buckets(name, labels, *histogram))
        for name, labels, value in gauges:
            line = f"{name}{_labels(labels.items())} {value}"
            _add(lines, name, "gauge", [line])
        return "\n".join(lines) + "\n"


def _add(lines, name, kind, new):
    header = f"# TYPE {name} {kind}"
    if header not in lines:
        lines.append(header)
    lines.extend(new)


def _buckets(name, labels, bounds, counts, total):
    lines, count = [], 0
    ends = [*(f"{bound:.6g}" for bound in bounds), "+Inf"]
    for end, in_bucket in zip(ends, counts, strict=True):
        count += in_bucket
        inner = _labels((*labels, ("le", end)))
        lines.append(f"{name}_bucket{inner} {count}")
    lines.append(f"{name}_sum{_labels(labels)} {total:.6g}")
    lines.append(f"{name}_count{_labels(labels)} {count}")
    return lines


def _labels(labels):
    texts = [f'{name}="{_escaped(value)}"' for name, value in labels]
    return "{" + ",".join(texts) + "}"


def _escaped(value):
    return re.sub(r'(["\\])', r"\\\1", value).replace("\n", r"\n")
