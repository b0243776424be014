"""HTTP requests come in, TF Serving's responses go out, and the playground."""

import concurrent.futures
import re
import time
import urllib.parse
import zlib
from collections.abc import Callable
from typing import NamedTuple

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_pb2

from gpt_keras.serving.admission import Admission
from gpt_keras.serving.http_messages import HttpRequest
from gpt_keras.serving.http_messages import HttpResponse
from gpt_keras.serving.json_requests import read_request
from gpt_keras.serving.json_requests import to_arrays
from gpt_keras.serving.json_responses import write_error
from gpt_keras.serving.json_responses import write_outputs
from gpt_keras.serving.json_responses import write_predictions
from gpt_keras.serving.model_requests import ModelRequests
from gpt_keras.serving.playground_facts import playground_facts
from gpt_keras.serving.playground_pages import PlaygroundPages
from gpt_keras.serving.predictor import Predictor
from gpt_keras.serving.request_batching import deadline_error
from gpt_keras.serving.request_record import recorded
from gpt_keras.serving.servable import DEFAULT_SIGNATURE
from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError
from gpt_keras.serving.serving_errors import as_serving_errors
from gpt_keras.serving.serving_errors import invalid
from gpt_keras.serving.serving_metrics import Metrics

_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION}"
    r":(?P<verb>classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_GET = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?P<metadata>/metadata)?",
    re.IGNORECASE | re.ASCII,
)
_KNOWN_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
_TEXT = "text/plain; version=0.0.4"


class RestOptions(NamedTuple):
    """What holds for REST.

    Attributes:
        timeout_ms: For a request to be answered.
        num_threads: That answer predictions.
        max_request_bytes: The largest body, once it is unpacked.
        metrics_path: Of the page for Prometheus; None for no page.
        playground: Whether there is the playground's page.
        playground_servers: Other origins that the page may ask.
    """

    timeout_ms: int
    num_threads: int
    max_request_bytes: int
    metrics_path: str | None
    playground: bool = False
    playground_servers: tuple[str, ...] = ()


class RestApi:
    """Answers HTTP requests.

    Args:
        requests: Answers messages.
        predictor: Runs signatures.
        admission: Lets predictions in.
        metrics: Gets counts and durations.
        metrics_page: Returns the page for Prometheus.
        options: What holds.
    """

    def __init__(
        self,
        requests: ModelRequests,
        predictor: Predictor,
        admission: Admission,
        metrics: Metrics,
        metrics_page: Callable[[], str],
        options: RestOptions,
    ):
        self._requests = requests
        self._predictor = predictor
        self._admission = admission
        self._metrics = metrics
        self._metrics_page = metrics_page
        self._options = options
        self._pages = (
            PlaygroundPages(options.playground_servers)
            if options.playground
            else None
        )
        pool = concurrent.futures.ThreadPoolExecutor
        self._predicting = pool(options.num_threads, "rest-predict")
        # Health checks and metrics don't wait behind predictions.
        self._looking_up = pool(2, "rest-look-up")

    def handle(
        self, request: HttpRequest
    ) -> "concurrent.futures.Future[HttpResponse]":
        """Returns the future of the response, without waiting."""
        try:
            if request.method == "POST" and request.path.startswith("/v1/"):
                return self._start_prediction(request)
            page = self._pages and self._pages.answer(request)
            if page is not None:
                return _answered(page)
            return self._looking_up.submit(_answer, self._look_up, request)
        except ServingError as error:
            return _answered(_error_response(error))

    def close(self) -> None:
        """Ends the threads."""
        self._predicting.shutdown(cancel_futures=True)
        self._looking_up.shutdown(cancel_futures=True)

    def _start_prediction(self, request):
        deadline = time.monotonic() + self._options.timeout_ms / 1000
        self._admission.enter()
        future = self._predicting.submit(
            _answer, self._predict, request, deadline
        )
        future.add_done_callback(lambda _: self._admission.leave())
        return future

    def _look_up(self, request):
        path = request.path
        if request.method not in _KNOWN_METHODS:
            raise ServingError(
                Code.UNIMPLEMENTED,
                f"The method must be GET or POST. Received: {request.method}",
            )
        if path == self._options.metrics_path:
            page = self._metrics_page().encode("utf-8")
            return HttpResponse(200, page, _TEXT)
        if self._pages is not None and request.method == "GET":
            facts = playground_facts(self._requests, path)
            if facts is not None:
                return facts
        if not path.lower().startswith("/v1/"):
            raise ServingError(
                Code.NOT_FOUND, f"There is nothing at {path!r}; try /v1/models"
            )
        match = _GET.fullmatch(path)
        if request.method != "GET" or not match:
            raise _malformed(request)
        spec = _model_spec(match)
        if match["metadata"]:
            return self._metadata(spec)
        message = self._requests.status(
            get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        )
        return HttpResponse(200, _json(message))

    def _metadata(self, spec):
        message = self._requests.metadata(
            get_model_metadata_pb2.GetModelMetadataRequest(
                model_spec=spec, metadata_field=["signature_def"]
            )
        )
        signatures = get_model_metadata_pb2.SignatureDefMap()
        message.metadata["signature_def"].Unpack(signatures)
        body = (
            b'{\n"model_spec":%s,\n"metadata": {"signature_def": %s}\n}\n'
            % (_json(message.model_spec), _json(signatures))
        )
        return HttpResponse(200, body)

    def _predict(self, request, deadline):
        with recorded(self._metrics, "REST") as record:
            match = _POST.fullmatch(request.path)
            if not match:
                raise _malformed(request)
            if match["verb"].lower() != "predict":
                raise ServingError(
                    Code.UNIMPLEMENTED,
                    "The local server has the method predict only. Received: "
                    f"{match['verb']}",
                )
            if time.monotonic() >= deadline:
                raise deadline_error()
            body = self._unpacked(request)
            return self._predict_json(
                _model_spec(match), body, deadline, record
            )

    def _predict_json(self, spec, body, deadline, record):
        values = read_request(body)
        name = values.signature_name or DEFAULT_SIGNATURE
        with self._requests.use(spec) as use:
            record.model_name = use.name
            signature = use.servable.signature(name, Code.INVALID_ARGUMENT)
            record.signature_name = name
            inputs = to_arrays(values, signature.inputs)
            by_rows = values.by_rows
            del values, body  # before they wait
            outputs = self._predictor.predict(
                use, name, inputs, deadline=deadline
            )
        write = write_predictions if by_rows else write_outputs
        return HttpResponse(200, write(outputs))

    def _unpacked(self, request):
        coding = request.headers.get("content-encoding", "identity").lower()
        if coding == "identity":
            return request.body
        if coding != "gzip":
            raise invalid(
                f"Content-Encoding must be gzip or nothing. Received: {coding}"
            )
        limit = self._options.max_request_bytes
        unpacking = zlib.decompressobj(wbits=31)
        try:
            body = unpacking.decompress(request.body, limit)
        except zlib.error as error:
            raise invalid(f"The body must be gzip. Received: {error}") from None
        if unpacking.unconsumed_tail:
            raise ServingError(
                Code.RESOURCE_EXHAUSTED,
                f"A request must have at most {limit} bytes "
                "(--max_request_bytes).",
                http_status=413,
            )
        if not unpacking.eof:
            raise invalid("The body must be gzip to its end.")
        return body


def _answer(function, *args):
    try:
        with as_serving_errors():
            return function(*args)
    except ServingError as error:
        return _error_response(error)


def _answered(response):
    """Returns the future of a response that is there already."""
    future = concurrent.futures.Future()
    future.set_result(response)
    return future


def _error_response(error):
    return HttpResponse(error.http_status, write_error(error.message))


def _malformed(request):
    return invalid(f"Malformed request: {request.method} {request.path}")


def _model_spec(match):
    spec = model_pb2.ModelSpec(name=urllib.parse.unquote(match["name"] or ""))
    if match["version"]:
        version = int(match["version"])
        if version > _LARGEST:
            raise invalid(
                f"A version must be at most {_LARGEST}. Received: {version}"
            )
        spec.version.value = version
    if match["label"]:
        spec.version_label = urllib.parse.unquote(match["label"])
    return spec


_LARGEST = 2**63 - 1


def _json(message):
    text = json_format.MessageToJson(
        message,
        always_print_fields_with_no_presence=True,
        preserving_proto_field_name=True,
    )
    return text.encode("utf-8") + b"\n"
