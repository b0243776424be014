"""Tests of `gpt_keras.serving.model_connection` against servers that fail."""

import base64
import email.utils
import json
import socket
import threading
import time

import client_testing
import grpc
import numpy as np
import pytest
from client_testing import Grpc
from client_testing import Rest

from gpt_keras.serving.client_errors import CallError
from gpt_keras.serving.client_errors import DeadlineError
from gpt_keras.serving.client_errors import InvalidRequestError
from gpt_keras.serving.client_errors import NotFoundError
from gpt_keras.serving.client_errors import OverloadedError
from gpt_keras.serving.client_errors import UnavailableError
from gpt_keras.serving.client_protocol import ModelSpec
from gpt_keras.serving.client_retries import Retries
from gpt_keras.serving.model_connection import ModelConnection

INPUTS = {"x_bytes": [b"\xff", "猫"], "n": np.array([1, 2**40])}
QUICK = Retries(times=5, first_wait=0.01)
NEVER = Retries(times=0)


def _connection(server, retries=QUICK, **spec):
    spec = ModelSpec("m", **spec)
    return ModelConnection(server, spec, 5.0, retries, {"X-Key": "k"})


def _assert_echoed(outputs):
    assert outputs["x_bytes"] == [b"\xff", "猫".encode()]
    assert outputs["n"].dtype == np.int64
    assert outputs["n"].tolist() == [1, 2**40]


@pytest.fixture(scope="module")
def grpc_service():
    service = Grpc()
    with service.serving() as server:
        service.server = server
        yield service


@pytest.fixture
def service(grpc_service):
    grpc_service.answers.clear()
    grpc_service.requests.clear()
    return grpc_service


@pytest.fixture(scope="module")
def rest_server():
    server = Rest()
    with server.serving() as url:
        server.url = url
        yield server


@pytest.fixture
def rest(rest_server):
    for recorded in (
        rest_server.answers,
        rest_server.paths,
        rest_server.bodies,
    ):
        recorded.clear()
    return rest_server


def _error(status, words="no", **headers):
    body = json.dumps({"error": words}).encode()
    return (status, {k.replace("_", "-"): v for k, v in headers.items()}, body)


def test_rest_sends_bytes_as_base64_and_asks_for_types_once(rest):
    connection = _connection(rest.url, label="a b")
    outputs = connection.predict("echo", INPUTS | {"x_bytes": [b"\xff", b"a"]})
    assert outputs["x_bytes"] == [b"\xff", b"a"]
    connection.predict("echo", {"n": [1]})
    (sent, _) = rest.bodies
    encoded = [base64.b64encode(x).decode() for x in (b"\xff", b"a")]
    assert sent["signature_name"] == "echo"
    assert sent["inputs"]["x_bytes"] == [{"b64": x} for x in encoded]
    path = "/v1/models/m/labels/a%20b"
    assert rest.paths == [f"{path}/metadata"] + [f"{path}:predict"] * 2


def test_rest_names_the_output_that_comes_without_a_name(rest, monkeypatch):
    dtypes = {"n": client_testing.DTYPES["n"]}
    monkeypatch.setattr(rest, "metadata", client_testing.rest_metadata(dtypes))
    rest.answers.append((200, {}, b'{"outputs": [4, 5]}'))
    outputs = _connection(rest.url).predict("echo", {"n": [1, 2]})
    assert outputs["n"].tolist() == [4, 5]


@pytest.mark.parametrize("status", [429, 503])
def test_rest_tries_again(rest, status):
    in_the_past = email.utils.formatdate(0, usegmt=True)
    rest.answers += [
        _error(status),
        _error(status, Retry_After="0"),
        _error(status, Retry_After=in_the_past),
        _error(status, Retry_After="soon"),
        client_testing.hang_up,
    ]
    _connection(rest.url).predict("echo", {"n": [1]})
    assert len(rest.bodies) == 6


def test_rest_honours_retry_after(rest):
    rest.answers.append(_error(429, "busy", Retry_After="60"))
    with pytest.raises(OverloadedError, match="busy") as raised:
        _connection(rest.url).predict("echo", {"n": [1]})
    assert raised.value.retry_after == 60  # beyond the deadline: not begun


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, InvalidRequestError, "INVALID_ARGUMENT"),
        (404, NotFoundError, "NOT_FOUND"),
        (413, InvalidRequestError, "INVALID_ARGUMENT"),
        (500, CallError, "INTERNAL"),
        (504, DeadlineError, "DEADLINE_EXCEEDED"),
        (418, CallError, "UNKNOWN"),
    ],
)
def test_rest_errors_have_their_class_and_words(rest, status, kind, code):
    rest.answers.append(_error(status, "the words"))
    with pytest.raises(kind) as raised:
        _connection(rest.url).predict("echo", {"n": [1]})
    assert len(rest.bodies) == 1
    assert raised.value.code == code
    assert str(raised.value) == f"{code}: the words (HTTP {status})"


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"else": 1}'])
def test_rest_answers_of_another_server_are_told(rest, body):
    rest.answers.append((200, {}, body))
    with pytest.raises(CallError, match="UNKNOWN: "):
        _connection(rest.url).predict("echo", {"n": [1]})


def test_rest_ends_at_the_deadline_however_slowly_bytes_come(rest):
    rest.answers.append(client_testing.trickle)
    start = time.monotonic()
    with pytest.raises(DeadlineError):
        _connection(rest.url).predict("echo", {"n": [1]}, timeout=0.2)
    assert time.monotonic() - start < 2


def test_rest_finds_a_connection_closed_without_counting_it(rest):
    connection = _connection(rest.url, NEVER)
    rest.answers += [client_testing.echo_and_close] * 2
    for _ in range(3):
        connection.predict("echo", {"n": [1]})
        time.sleep(0.05)
    # Not even a new connection is answered.
    rest.answers += [client_testing.hang_up_at_once] * 2
    with pytest.raises(UnavailableError):
        _connection(rest.url, NEVER).predict("echo", {"n": [1]})


def test_rest_serves_threads_over_connections_that_are_kept(rest):
    connection = _connection(rest.url)
    found = []

    def ask(value):
        for _ in range(5):
            outputs = connection.predict("echo", {"n": [value]})
            found.append(outputs["n"].tolist() == [value])

    threads = [
        threading.Thread(target=ask, args=(x,), daemon=True) for x in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [True] * 40
    connection.close()


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.parametrize("kind", [Rest, Grpc])
def test_a_server_that_comes_later_is_found(kind):
    port = _free_port()
    scheme = "http://" if kind is Rest else ""
    server = f"{scheme}127.0.0.1:{port}"
    with pytest.raises(UnavailableError):
        _connection(server, NEVER).metadata()
    connection = _connection(server, Retries(20, 0.1, 0.1))
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(connection.metadata()), daemon=True
    )
    thread.start()
    time.sleep(0.1)
    with kind().serving(port):
        thread.join(60)
    assert answers[0].version == 7


def test_grpc_sends_types_as_the_metadata_says(service):
    connection = _connection(service.server, version=3)
    before = service.metadata_calls
    for _ in range(2):
        _assert_echoed(connection.predict("echo", INPUTS))
    assert service.metadata_calls == before + 1
    request = service.requests[0]
    assert request.model_spec.version.value == 3
    assert request.model_spec.signature_name == "echo"
    with pytest.raises(ValueError, match="`n` must be int64"):
        connection.predict("echo", {"n": [0.5]})
    with pytest.raises(ValueError, match="`n` must be int64"):
        connection.predict("echo", {"n": [2**63]})


def test_grpc_tries_again(service):
    pushback = [("grpc-retry-pushback-ms", "1")]
    service.answers += [
        (grpc.StatusCode.UNAVAILABLE, "x", pushback),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "x", ()),
    ]
    _assert_echoed(_connection(service.server).predict("echo", INPUTS))
    service.answers.append(
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "busy",
            [("grpc-retry-pushback-ms", "60000")],
        )
    )
    with pytest.raises(OverloadedError, match="busy") as raised:
        _connection(service.server).predict("echo", INPUTS)
    assert raised.value.retry_after == 60


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARGUMENT", InvalidRequestError),
        ("FAILED_PRECONDITION", InvalidRequestError),
        ("NOT_FOUND", NotFoundError),
        ("INTERNAL", CallError),
    ],
)
def test_grpc_errors_have_their_class_and_words(service, code, kind):
    service.answers.append((grpc.StatusCode[code], "the words", ()))
    with pytest.raises(kind, match=f"{code}: the words"):
        _connection(service.server).predict("echo", INPUTS)


def test_grpc_ends_at_the_deadline(service):
    service.answers.append(3)
    with pytest.raises(DeadlineError):
        _connection(service.server).predict("echo", INPUTS, timeout=0.2)


def test_grpc_takes_messages_above_its_own_limit(service):
    large = {"x_bytes": [b"x" * 5 * 2**20], "n": [1]}
    outputs = _connection(service.server).predict("echo", large)
    assert outputs["x_bytes"] == large["x_bytes"]


def test_too_large_a_message_is_not_sent_again(service):
    words = "Received message larger than max (9 vs. 4)"
    service.answers.append((grpc.StatusCode.RESOURCE_EXHAUSTED, words, ()))
    with pytest.raises(InvalidRequestError, match="larger than max"):
        _connection(service.server).predict("echo", INPUTS)


def test_an_unknown_signature_is_told_with_those_there_are(rest, service):
    for server in (rest.url, service.server):
        with pytest.raises(NotFoundError, match=r"'other'.*\['echo'\]"):
            _connection(server).predict("other", {})


def test_inputs_of_newer_models_are_left_out_and_come_back(rest, monkeypatch):
    connection = _connection(rest.url)
    ask = {"inputs": {"n": [1]}, "optional": {"x_bytes": [b"a"]}}
    connection.predict("echo", **ask)
    older = client_testing.rest_metadata({"n": client_testing.DTYPES["n"]})
    monkeypatch.setattr(rest, "metadata", older)
    rest.answers.append(_error(400, "x_bytes is unknown"))
    connection.predict("echo", **ask)
    sent = [sorted(body["inputs"]) for body in rest.bodies]
    assert sent == [["n", "x_bytes"], ["n", "x_bytes"], ["n"]]


@pytest.mark.parametrize(
    "server", ["localhost", "ftp://localhost:1", "localhost:x", "http://"]
)
def test_other_addresses_are_refused(server):
    with pytest.raises(ValueError, match="must be http://HOST:PORT"):
        _connection(server)


@pytest.mark.parametrize(
    "spec", [dict(version=1, label="a"), dict(version=-1), dict(label="")]
)
def test_a_model_is_chosen_in_one_way(spec):
    with pytest.raises(ValueError, match="Received: "):
        _connection("http://localhost:1", **spec)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_positive(timeout):
    connection = _connection("http://localhost:1")
    with pytest.raises(ValueError, match="`timeout` must be"):
        connection.metadata(timeout)
