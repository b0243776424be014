"""Servers that answer as they are told, for the tests of the client."""

import contextlib
import http.server
import json
import threading
import time
from concurrent import futures

import grpc
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

# A signature that gives back its two inputs.
DTYPES = {"x_bytes": types_pb2.DT_STRING, "n": types_pb2.DT_INT64}


def rest_metadata(dtypes=DTYPES):
    tensors = {
        name: {
            "dtype": types_pb2.DataType.Name(dtype),
            "tensor_shape": {"dim": [{"size": "-1"}], "unknown_rank": False},
        }
        for name, dtype in dtypes.items()
    }
    table = {"echo": {"inputs": tensors, "outputs": tensors}}
    return {
        "model_spec": {"name": "m", "signature_name": "", "version": "7"},
        "metadata": {"signature_def": {"signature_def": table}},
    }


class Rest:
    """An HTTP server; each POST takes the next of `answers`.

    An answer is `(status, headers, body)`, or a function of the handler.
    """

    def __init__(self):
        self.answers = []
        self.paths = []
        self.bodies = []
        self.metadata = rest_metadata()

    @contextlib.contextmanager
    def serving(self, port=0):
        class Handler(_Handler):
            rest = self

        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rest = None

    def do_GET(self):
        self.rest.paths.append(self.path)
        self.answer(200, {}, json.dumps(self.rest.metadata).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.rest.paths.append(self.path)
        self.rest.bodies.append(json.loads(body))
        answer = self.rest.answers.pop(0) if self.rest.answers else echo
        if callable(answer):
            answer(self)
        else:
            self.answer(*answer)

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


def echo(handler):
    outputs = handler.rest.bodies[-1]["inputs"]
    handler.answer(200, {}, json.dumps({"outputs": outputs}).encode())


def hang_up(handler):
    """Ends in the middle of the answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"outputs"')
    handler.close_connection = True


def hang_up_at_once(handler):
    handler.close_connection = True


def trickle(handler):
    """Sends a byte now and then, for longer than a test waits."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)
    handler.close_connection = True


def echo_and_close(handler):
    """Says that it keeps the connection, and does not."""
    echo(handler)
    handler.close_connection = True


class Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    """A gRPC service; each Predict takes the next of `answers`.

    An answer is `(code, message, trailing metadata)`, or a number of seconds
    after which it echoes.
    """

    def __init__(self):
        self.answers = []
        self.requests = []
        self.metadata_calls = 0

    @contextlib.contextmanager
    def serving(self, port=0):
        pool = futures.ThreadPoolExecutor(4)
        options = [("grpc.max_receive_message_length", -1)]
        server = grpc.server(pool, options=options)
        add = (
            prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server
        )
        add(self, server)
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait()

    def GetModelMetadata(self, request, context):
        self.metadata_calls += 1
        table = get_model_metadata_pb2.SignatureDefMap()
        for name, dtype in DTYPES.items():
            signature = table.signature_def["echo"]
            for tensors in (signature.inputs, signature.outputs):
                tensors[name].dtype = dtype
                tensors[name].tensor_shape.dim.add().size = -1
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.version.value = 7
        answer.metadata["signature_def"].Pack(table)
        return answer

    def Predict(self, request, context):
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, tuple):
            code, message, trailing = answer
            context.set_trailing_metadata(trailing)
            context.abort(code, message)
        end = time.monotonic() + answer
        while time.monotonic() < end and context.is_active():
            time.sleep(0.01)
        return predict_pb2.PredictResponse(outputs=request.inputs)
