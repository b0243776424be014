"""gRPC calls of TF Serving's services come in, their answers go out."""

import concurrent.futures
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import grpc
from google.protobuf import message as protobuf
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.apis import predict_pb2

from gpt_keras.serving.admission import Admission
from gpt_keras.serving.model_requests import ModelRequests
from gpt_keras.serving.request_record import recorded
from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError
from gpt_keras.serving.serving_errors import as_serving_errors
from gpt_keras.serving.serving_metrics import Metrics

_FOR_EVER = 10**7  # seconds; without a deadline infinity is left
# Details travel in a header, of which 8 KiB are safe; they are written with up
# to three characters a byte.
_MAX_DETAILS = 2000
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcOptions(NamedTuple):
    """What holds for gRPC.

    Attributes:
        max_threads: Calls at once; more get `RESOURCE_EXHAUSTED`.
        max_message_bytes: The largest message, in and out.
        receive_seconds: How long a client may take to send its request.
    """

    max_threads: int
    max_message_bytes: int
    receive_seconds: float


class GrpcServer:
    """Serves `PredictionService` and `ModelService`.

    Args:
        requests: Answers messages.
        admission: Lets predictions in.
        metrics: Gets counts and durations.
        address: To listen on, `host:port`.
        options: What holds.

    Attributes:
        port: That it listens on.

    Raises:
        OSError: The address can't be listened on.
    """

    def __init__(
        self,
        requests: ModelRequests,
        admission: Admission,
        metrics: Metrics,
        address: str,
        options: GrpcOptions,
    ):
        self._requests = requests
        self._admission = admission
        self._metrics = metrics
        self._options = options
        self._pool = concurrent.futures.ThreadPoolExecutor(
            options.max_threads, "grpc"
        )
        self._server = grpc.server(
            self._pool,
            options=[
                ("grpc.max_receive_message_length", options.max_message_bytes),
                ("grpc.max_send_message_length", options.max_message_bytes),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=options.max_threads,
        )
        self._server.add_generic_rpc_handlers(self._handlers())
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"gRPC can't listen on {address}: {error}") from error
        self._server.start()

    def stop(self, grace_seconds: float) -> None:
        """Accepts no more calls, finishes what runs, and ends.

        Args:
            grace_seconds: How long what runs may take.
        """
        self._server.stop(grace_seconds).wait()
        self._pool.shutdown()

    def _handlers(self):
        services = {
            "PredictionService": {
                "Predict": (self._predict, predict_pb2.PredictRequest),
                "GetModelMetadata": (
                    self._without_context(self._requests.metadata),
                    get_model_metadata_pb2.GetModelMetadataRequest,
                ),
            },
            "ModelService": {
                "GetModelStatus": (
                    self._without_context(self._requests.status),
                    get_model_status_pb2.GetModelStatusRequest,
                ),
                "HandleReloadConfigRequest": (
                    self._without_context(self._requests.reload),
                    model_management_pb2.ReloadConfigRequest,
                ),
            },
        }
        return tuple(
            grpc.method_handlers_generic_handler(
                f"tensorflow.serving.{service}",
                {
                    name: self._handler(answer, request_class)
                    for name, (answer, request_class) in methods.items()
                },
            )
            for service, methods in services.items()
        )

    def _handler(self, answer, request_class):
        """Returns a handler that does not wait for a request for ever.

        On the wire a stream of one request is a plain call; only a stream can
        be given up by the server before the request has come.
        """

        def behavior(received, context):
            try:
                with as_serving_errors():
                    request = self._receive(received, context, request_class)
                    response = answer(request, context)
                    del request
                    return response.SerializeToString()
            except ServingError as error:
                context.abort(_CODES[int(error.code)], _cut(error.message))

        return grpc.stream_unary_rpc_method_handler(behavior)

    def _receive(self, received, context, request_class):
        timer = threading.Timer(self._options.receive_seconds, context.cancel)
        timer.daemon = True
        timer.start()
        try:
            data = next(received, None)
        finally:
            timer.cancel()
        if data is None:
            raise ServingError(Code.CANCELLED, "There was no request.")
        try:
            return request_class.FromString(data)
        except protobuf.DecodeError:
            name = request_class.DESCRIPTOR.name
            raise ServingError(
                Code.INTERNAL, f"The request must be a {name}."
            ) from None

    def _predict(self, request, context):
        deadline = _deadline(context)
        with recorded(self._metrics, "GRPC") as record:
            self._admission.enter()
            try:
                return self._requests.predict(request, deadline, record)
            finally:
                self._admission.leave()

    @staticmethod
    def _without_context(answer: Callable):
        return lambda request, context: answer(request)


def _deadline(context):
    left = context.time_remaining()
    if left is None or left > _FOR_EVER:
        return None
    return time.monotonic() + left


def _cut(message):
    data = message.encode("utf-8", "replace")[:_MAX_DETAILS]
    return data.decode("utf-8", "ignore")
