"""Tests of HTTP, by bytes on a socket: slow, rude and gone clients."""

import concurrent.futures
import contextlib
import socket
import threading
import time

import pytest

from gpt_keras.serving.http_messages import HttpResponse
from gpt_keras.serving.http_server import HttpLimits
from gpt_keras.serving.http_server import HttpServer

LIMITS = HttpLimits(
    max_request_bytes=1000,
    max_connections=20,
    socket_seconds=0.3,
    idle_seconds=0.3,
    answer_seconds=0.5,
)
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = 20_000_000  # more than a socket's buffers hold
END = b"\r\n\r\n"


class Echo:
    """Answers with the method, path and body."""

    def __init__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(4)
        self.goes_on = threading.Event()

    def __call__(self, request):
        return self.pool.submit(self.answer, request)

    def answer(self, request):
        if request.path == "/wait":
            self.goes_on.wait(5)
        if request.path == "/large":
            return HttpResponse(200, b"x" * LARGE)
        if request.path == "/fail":
            raise RuntimeError("a fault")
        text = f"{request.method} {request.path} ".encode()
        return HttpResponse(200, text + request.body)


@pytest.fixture
def echo():
    echo = Echo()
    yield echo
    echo.goes_on.set()
    echo.pool.shutdown()


@pytest.fixture
def server(echo):
    server = HttpServer(echo, "127.0.0.1", 0, LIMITS)
    yield server
    echo.goes_on.set()
    answer = exchange(server, b"GET /after HTTP/1.0" + END)
    assert answer.endswith(b"GET /after ")
    server.stop(5)


def connect(server):
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.settimeout(5)
    return connection


def read_all(connection):
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def exchange(server, data):
    """Returns all that comes back until the server closes."""
    with connect(server) as connection:
        connection.sendall(data)
        return read_all(connection)


def test_several_requests_on_a_connection(server):
    first = b"POST /a HTTP/1.1\r\nContent-Length: 3" + END + b"abc"
    second = b"GET /b?c=d HTTP/1.1\r\nConnection: close" + END
    answer = exchange(server, first + second)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"POST /a abc" in answer and answer.endswith(b"GET /b ")


def test_a_body_in_chunks(server):
    head = b"POST /a HTTP/1.1\r\nConnection: close\r\n"
    head += b"Transfer-Encoding: chunked" + END
    body = b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"
    assert exchange(server, head + body).endswith(b"POST /a abcde")


def test_a_client_that_waits_to_be_told_to_go_on(server):
    head = b"POST /a HTTP/1.0\r\nContent-Length: 3\r\n"
    with connect(server) as connection:
        connection.sendall(head + b"Expect: 100-continue" + END)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        assert read_all(connection).endswith(b"POST /a abc")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense" + END, 400),
        (b"GET / HTTP/2.0" + END, 400),
        (b"GET / HTTP/1.1\r\nno colon" + END, 400),
        (b"GET / HTTP/1.1\r\nName : x" + END, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x" + END, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1" + END, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1" + b"0" * 30 + END, 400),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2" + END,
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked" + END,
            400,
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip" + END, 400),
        (CHUNKED + b"x\r\n", 400),
        (CHUNKED + b"1\r\nabc\r\n", 400),
        (CHUNKED + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\n", 413),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked" + END + b"x\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nContent-Length: 1001" + END, 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 1001" + END + b"x" * 1001, 413),
        (b"GET / HTTP/1.1\r\nName: " + b"x" * 70_000 + END, 431),
        (b"GET /fail HTTP/1.1" + END, 500),
        (b"GET /wait HTTP/1.1\r\nConnection: close" + END, 504),
    ],
    ids=lambda x: str(x)[:60],
)
def test_what_is_wrong_is_told_before_the_connection_ends(server, data, status):
    answer = exchange(server, data)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b'{\n    "error": "' in answer


def test_a_slow_sender_is_cut_off_and_holds_up_no_one(server):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(10)]
        for connection in slow[:5]:
            connection.sendall(b"POST /slow HTT")
        for connection in slow[5:]:
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9" + END)
            connection.sendall(b"abc")
        assert exchange(server, b"GET /b HTTP/1.0" + END).endswith(b"GET /b ")
        for connection in slow:
            assert read_all(connection) == b""


def test_a_sender_that_makes_progress_may_be_slow(server):
    with connect(server) as connection:
        connection.sendall(b"POST / HTTP/1.0\r\nContent-Length: 4" + END)
        for piece in (b"a", b"b", b"c", b"d"):
            time.sleep(0.15)
            connection.sendall(piece)
        assert read_all(connection).endswith(b"POST / abcd")


def test_a_slow_reader_is_cut_off_and_holds_up_no_one(server):
    with connect(server) as connection:
        connection.sendall(b"GET /large HTTP/1.1" + END)
        for _ in range(3):
            answer = exchange(server, b"GET /b HTTP/1.0" + END)
            assert answer.endswith(b"GET /b ")
            time.sleep(0.2)
        with contextlib.suppress(ConnectionError):
            assert len(read_all(connection)) < LARGE


def test_a_reader_in_no_hurry_gets_all(server):
    with connect(server) as connection:
        connection.sendall(b"GET /large HTTP/1.1" + END)
        read = 0
        for _ in range(4):  # longer than a reader may make no progress
            time.sleep(0.15)
            goal = read + LARGE // 5
            while read < goal:
                read += len(connection.recv(65536))
        while piece := connection.recv(65536):
            read += len(piece)
        assert read > LARGE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"POST / HT",
        b"POST / HTTP/1.1\r\nContent-Length: 9" + END + b"abc",
        b"GET /large HTTP/1.1" + END,
        b"GET /wait HTTP/1.1" + END,
    ],
)
def test_clients_that_hang_up_disturb_no_one(server, data):
    for _ in range(5):
        connection = connect(server)
        connection.sendall(data)
        # With this option closing is a reset.
        option = (1).to_bytes(4, "little") + bytes(4)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        connection.close()


def test_more_connections_than_allowed_are_told_so(server):
    with contextlib.ExitStack() as stack:
        for _ in range(LIMITS.max_connections):
            stack.enter_context(connect(server))
        time.sleep(0.05)
        answer = exchange(server, b"GET /b HTTP/1.0" + END)
        assert answer.startswith(b"HTTP/1.1 503 ")
    time.sleep(0.4)


def test_stopping_answers_what_runs_and_ends_what_is_idle(echo):
    server = HttpServer(echo, "127.0.0.1", 0, LIMITS)
    with connect(server) as idle, connect(server) as busy:
        busy.sendall(b"GET /wait HTTP/1.1" + END)
        time.sleep(0.1)
        stopping = threading.Thread(target=server.stop, args=(5,), daemon=True)
        stopping.start()
        assert read_all(idle) == b""
        with pytest.raises(ConnectionError):
            connect(server)
        echo.goes_on.set()
        answer = read_all(busy)
        assert b"Connection: close" in answer
        assert answer.endswith(b"GET /wait ")
        stopping.join(5)
        assert not stopping.is_alive()


def test_stopping_does_not_wait_longer_than_it_may(echo):
    server = HttpServer(
        echo, "127.0.0.1", 0, LIMITS._replace(answer_seconds=100)
    )
    with connect(server) as busy:
        busy.sendall(b"GET /wait HTTP/1.1" + END)
        time.sleep(0.1)
        server.stop(0.1)
        with contextlib.suppress(ConnectionError):
            assert read_all(busy) == b""


def test_a_port_that_is_taken_is_told(server, echo):
    with pytest.raises(OSError):
        HttpServer(echo, "127.0.0.1", server.port, LIMITS)
