"""A server of the playground's page whose model answers as it is told."""

import base64
import contextlib
import http.server
import json
import threading

from gpt_keras.serving.http_messages import HttpRequest
from gpt_keras.serving.playground_pages import PlaygroundPages

HTML = "<img src=x onerror=hacked=1><script>hacked=1</script>&lt;b&gt;"
# What a POST may get instead of an answer, beside a status and a body.
ANSWER, HANG_UP, HOLD = "answer", "hang up", "hold"
_INPUTS = (
    "prompts max_new_tokens temperature top_k top_p min_p repetition_penalty "
    "frequency_penalty presence_penalty no_repeat_ngram seed stop banned "
    "overflow steps continuation"
).split()
_SIGNATURES = {
    "generate": _INPUTS,
    "detokenize": ["token_ids", "lengths"],
    "score": ["prompts", "texts"],
}


class FakePlayground:
    """Serves the page, and a model that writes `words`, one in each call.

    Attributes:
        words: What it writes; a token's text is its word.
        faults: What the next POSTs get: `(status, text)`, or `ANSWER`,
            `HANG_UP` or `HOLD`, which waits for `hold`.
        headers: Of every answer of the model.
        hold: Set to let what waits go on.
        card: The model card.
        row_error: Of every row.
        cut: Characters of the last word that are not part of the text.
        paths: That were asked for.
        requests: The bodies of all POSTs.
    """

    def __init__(self, words=("one ", "two ", "three "), servers=()):
        self.words = list(words)
        self.faults = []
        self.headers = {}
        self.hold = threading.Event()
        self.card = None
        self.row_error = ""
        self.cut = 0
        self.paths = []
        self.requests = []
        self._pages = PlaygroundPages(servers)

    @contextlib.contextmanager
    def serving(self):
        class Handler(_Handler):
            fake = self

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            self.hold.set()
            server.shutdown()
            thread.join()
            server.server_close()

    def page(self, method, path, headers):
        """Returns a response of the page; None if the path is another."""
        return self._pages.answer(HttpRequest(method, path, headers, b""))

    def facts(self, path):
        """Returns what a GET of the model gives; None for nothing."""
        if path == "/playground/models":
            return {"models": ["fake"]}
        if path == "/playground/models/fake/versions/7/card":
            return self.card
        if path.endswith("/metadata"):
            table = {
                name: {"inputs": dict.fromkeys(inputs, {})}
                for name, inputs in _SIGNATURES.items()
            }
            return {
                "model_spec": {"name": "fake", "version": "7"},
                "metadata": {"signature_def": {"signature_def": table}},
            }
        return None

    def generated(self):
        """Returns the requests of `generate`."""
        name = "signature_name"
        return [x for x in self.requests if x[name] == "generate"]

    def answer(self, request):
        """Returns the outputs of a prediction."""
        inputs = request["inputs"]
        if request["signature_name"] == "detokenize":
            ids = [row[0] for row in inputs["token_ids"]]
            return {"texts_bytes": [_base64(self.words[one]) for one in ids]}
        rows = [self._row(x) for x in inputs["continuation"]]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def _row(self, continuation):
        place = int(continuation or 0)
        word = "" if self.row_error else self.words[place]
        is_last = place + 1 == len(self.words)
        text = word[: len(word) - self.cut] if is_last else word
        return {
            "completions": text,
            "completions_bytes": _base64(text),
            "token_ids": [place] if word else [],
            "lengths": int(bool(word)),
            "logprobs": [-1.0] if word else [],
            "top_token_ids": [[place, 0]] if word else [],
            "top_logprobs": [[-1.0, -2.0]] if word else [],
            "finish_reason": "invalid"
            if self.row_error
            else "length" * is_last,
            "prompt_truncated": False,
            "seed_used": 5,
            "error": self.row_error,
            "continuation": "" if is_last else str(place + 1),
        }


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake = None

    def do_GET(self):
        self.fake.paths.append(self.path)
        page = self.fake.page(
            "GET", self.path, {k.lower(): v for k, v in self.headers.items()}
        )
        if page is not None:
            headers = {**page.headers, "Content-Type": page.content_type}
            return self._send(page.status, page.body, headers)
        facts = self.fake.facts(self.path)
        status = 404 if facts is None else 200
        self._send(status, json.dumps(facts).encode(), self.fake.headers)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.fake.requests.append(json.loads(body))
        if self.fake.faults:
            fault = self.fake.faults.pop(0)
            if fault == HANG_UP:
                self.close_connection = True
                return
            if fault == HOLD:
                self.fake.hold.wait(timeout=20)
            elif fault != ANSWER:
                status, text = fault
                self._send(status, text.encode(), self.fake.headers)
                return
        outputs = {"outputs": self.fake.answer(self.fake.requests[-1])}
        # A page that was told to stop has gone.
        with contextlib.suppress(ConnectionError):
            self._send(200, json.dumps(outputs).encode(), self.fake.headers)

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


def _base64(text):
    return {"b64": base64.b64encode(text.encode()).decode()}
