"""Servers that answer as they are told, for the tests of the client."""

import base64
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

from gpt_keras.generation.setting_values import DEFAULTS

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
        self.answer = echo
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
        thread = threading.Thread(
            target=server.serve_forever, args=(0.01,), daemon=True
        )
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(60)
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
        answers = self.rest.answers
        answer = answers.pop(0) if answers else self.rest.answer
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


class FakeModel(Rest):
    """A model by REST whose completion is `w0 w1 w2 …`, a word a token.

    It holds `max_length` words and characters of prompts; `top_k` of 9 is an
    invalid setting.
    """

    def __init__(self, max_length=200):
        super().__init__()
        self.max_length = max_length
        self.requests = []
        self.metadata = fake_metadata()
        self.answer = self._answer

    def answers_for(self, signature):
        """The inputs of all calls of a signature."""
        return [one for name, one in self.requests if name == signature]

    def _answer(self, handler):
        body = self.bodies[-1]
        name, inputs = body["signature_name"], body["inputs"]
        self.requests.append((name, inputs))
        rows = zip(*inputs.values(), strict=True)
        method = getattr(self, _SIGNATURES[name])
        answers = [method(dict(zip(inputs, row, strict=True))) for row in rows]
        outputs = {
            key: _padded([row[key] for row in answers]) for key in answers[0]
        }
        if len(outputs) == 1:
            (outputs,) = outputs.values()
        handler.answer(200, {}, json.dumps({"outputs": outputs}).encode())

    def _generate(self, row):
        begin = int(row["continuation"] or 0)
        total = row["max_new_tokens"]
        end = min(total, begin + (row["steps"] or total))
        error = "`top_k` must be another" if row["top_k"] == 9 else ""
        words = [] if error else [f"w{i} " for i in range(begin, end)]
        text = "".join(words)
        for stop in filter(None, row["stop"].split("\x1f")):
            text = text.split(stop)[0]
        is_last = end == total
        return {
            "completions": text,
            "completions_bytes": _base64(text),
            "token_ids": [7] * len(words),
            "lengths": len(words),
            "logprobs": [-0.5] * len(words),
            "top_token_ids": [[7] * 5] * len(words),
            "top_logprobs": [[-0.5] * 5] * len(words),
            "finish_reason": "length" if is_last else "",
            "prompt_truncated": len(row["prompts"]) > self.max_length,
            "seed_used": row["seed"],
            "error": error,
            "continuation": "" if is_last else str(end),
        }

    def _complete(self, row):
        return {"completions": f"after {row['prompts']}"}

    def _score(self, row):
        size = len(row["texts"])
        return {
            "token_ids": [1] * size,
            "lengths": size,
            "logprobs": [-1.5] * size,
            "total_logprob": -1.5 * size,
            "bits_per_byte": 2.0,
            "error": "",
        }

    def _logits(self, row):
        is_wrong = row["lengths"] == 0
        return {
            "logits": [[0.5] * 3] * len(row["token_ids"]),
            "error": "empty" if is_wrong else "",
        }

    def _tokenize(self, row):
        ids = [ord(x) for x in row["texts"]]
        return {"token_ids": ids, "lengths": len(ids), "error": ""}

    def _detokenize(self, row):
        text = "".join(map(chr, row["token_ids"][: row["lengths"]]))
        return {"texts": text, "texts_bytes": _base64(text), "error": ""}


_SIGNATURES = {
    "serving_default": "_complete",
    "complete": "_complete",
    "generate": "_generate",
    "score": "_score",
    "logits": "_logits",
    "tokenize": "_tokenize",
    "detokenize": "_detokenize",
}
_INPUTS = {
    "serving_default": ["prompts"],
    "complete": ["prompts", "max_new_tokens", "temperature", "seed"],
    "generate": ["prompts", *DEFAULTS, "steps", "continuation"],
    "score": ["prompts", "texts"],
    "logits": ["token_ids", "lengths"],
    "tokenize": ["texts"],
    "detokenize": ["token_ids", "lengths"],
}
_INTEGERS = ("token_ids", "lengths", "seed_used", "top_token_ids", "steps")
_FLOATS = ("logprobs", "total_logprob", "bits_per_byte", "logits")


def fake_metadata():
    """The metadata of `FakeModel`."""
    outputs = {
        "serving_default": ["completions"],
        "complete": ["completions"],
        "generate": [*_INTEGERS[:-1], "logprobs", "top_logprobs"],
        "score": ["token_ids", "lengths", *_FLOATS[:-1]],
        "logits": ["logits"],
        "tokenize": ["token_ids", "lengths"],
        "detokenize": [],
    }
    metadata = rest_metadata({})
    metadata["metadata"]["signature_def"]["signature_def"] = {
        name: {
            "inputs": {x: _info(x) for x in _INPUTS[name]},
            "outputs": {x: _info(x) for x in outputs[name]},
        }
        for name in _SIGNATURES
    }
    return metadata


def _info(name):
    kind = type(DEFAULTS.get(name, ""))
    dtype = {int: "DT_INT64", float: "DT_FLOAT", str: "DT_STRING"}[kind]
    dtype = "DT_INT64" if name in _INTEGERS else dtype
    is_float = name in _FLOATS or name.endswith("logprobs")
    shape = {"dim": [{"size": "-1"}], "unknown_rank": False}
    return {"dtype": "DT_FLOAT" if is_float else dtype, "tensor_shape": shape}


def _padded(column):
    """Fills rows up to the longest, as a server does."""
    if not isinstance(column[0], list):
        return column
    width = max(map(len, column))
    filler = next((row[0] for row in column if row), 0)
    return [row + [filler] * (width - len(row)) for row in column]


def _base64(text):
    return {"b64": base64.b64encode(text.encode()).decode()}


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
            server.stop(0).wait(60)

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
