"""A function from requests to responses comes in, an HTTP/1.1 server goes out.

One thread waits for all connections, so that who sends or reads slowly costs
no thread; the function runs in a few others.
"""

import asyncio
import concurrent.futures
import contextlib
import http
import logging
import socket
import threading
from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple

from gpt_keras.serving.json_responses import write_error

_logger = logging.getLogger(__name__)

_MAX_HEADER_BYTES = 64 * 1024
_PIECE = 256 * 1024  # bytes that are read or written before the next wait
_LINGER_SECONDS = 2.0  # for a client that still sends to read its error


class HttpLimits(NamedTuple):
    """What a client may cost.

    Attributes:
        max_request_bytes: The largest body.
        max_connections: The most connections.
        socket_seconds: How long a client may make no progress in sending or
            reading.
        idle_seconds: How long it may keep a connection without a request.
        answer_seconds: How long a request may wait for its answer.
    """

    max_request_bytes: int
    max_connections: int
    socket_seconds: float
    idle_seconds: float
    answer_seconds: float


class HttpRequest(NamedTuple):
    """A request.

    Attributes:
        method: GET, POST, ….
        path: Without what follows a question mark.
        headers: By lower-case name.
        body: As it came.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class HttpResponse(NamedTuple):
    """A response.

    Attributes:
        status: The code.
        body: As it goes.
        content_type: Of the body.
        headers: More of them.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


class HttpError(Exception):
    """A request that can't be read, after which the connection ends."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
        self.message = message


Handler = Callable[[HttpRequest], "concurrent.futures.Future[HttpResponse]"]


class HttpServer:
    """Serves HTTP from a thread of its own.

    Args:
        handle: Takes a request, on the server's thread, and returns the
            future of the response at once.
        host: The address to listen on.
        port: 0 for a free one.
        limits: What a client may cost.

    Attributes:
        port: That it listens on.

    Raises:
        OSError: The address can't be listened on.
    """

    def __init__(
        self, handle: Handler, host: str, port: int, limits: HttpLimits
    ):
        self._handle = handle
        self._limits = limits
        self._is_stopping = False
        self._connections: dict[asyncio.Task, bool] = {}  # whether it is busy
        self._loop = asyncio.new_event_loop()
        listener = _listen(host, port)
        self.port = listener.getsockname()[1]
        self._thread = threading.Thread(
            target=self._loop.run_forever, daemon=True, name="rest"
        )
        self._thread.start()
        starting = asyncio.start_server(
            self._serve, sock=listener, limit=_MAX_HEADER_BYTES
        )
        self._server = self._call(starting)

    def stop(self, grace_seconds: float) -> None:
        """Accepts no more connections, finishes what runs, and ends.

        Args:
            grace_seconds: How long what runs may take.
        """
        if self._thread.is_alive():
            self._call(self._stop(grace_seconds))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _stop(self, grace_seconds):
        self._is_stopping = True
        self._server.close()
        idle = [task for task, busy in self._connections.items() if not busy]
        for task in idle:
            task.cancel()
        if self._connections:
            await asyncio.wait([*self._connections], timeout=grace_seconds)
        left = [*self._connections]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._connections[task] = False
        try:
            if len(self._connections) > self._limits.max_connections:
                message = (
                    "The server keeps at most "
                    f"{self._limits.max_connections} connections "
                    "(--max_connections). Try again later."
                )
                await self._refuse(reader, writer, HttpError(503, message))
            else:
                await self._serve_requests(task, reader, writer)
        except HttpError as error:
            with contextlib.suppress(OSError, TimeoutError):
                await self._refuse(reader, writer, error)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client went away, or is too slow
        except asyncio.CancelledError:
            pass  # the server stops
        except Exception:
            _logger.exception("A connection failed")
        finally:
            del self._connections[task]
            writer.transport.abort()

    async def _serve_requests(self, task, reader, writer):
        keeps_open = True
        while keeps_open and not self._is_stopping:
            head = await self._read_head(reader)
            if head is None:
                return
            self._connections[task] = True
            request = await self._read_body(head, reader, writer)
            response = await self._answer(request)
            if request.method == "HEAD":
                response = response._replace(body=b"")
            keeps_open = _keeps_open(request, head[2]) and not self._is_stopping
            await self._write(writer, response, keeps_open)
            self._connections[task] = False
        await self._close(writer)

    async def _answer(self, request):
        future = asyncio.wrap_future(self._handle(request))
        try:
            return await asyncio.wait_for(future, self._limits.answer_seconds)
        except TimeoutError:
            message = "The deadline passed before the answer came."
            return HttpResponse(504, write_error(message))
        except Exception as error:
            _logger.exception("A request failed")
            message = f"{type(error).__name__}: {error}"
            return HttpResponse(500, write_error(message))

    async def _read_head(self, reader):
        """Returns method, path, version and headers; None at the end."""
        try:
            head = await asyncio.wait_for(
                reader.readuntil(b"\r\n\r\n"), self._limits.idle_seconds
            )
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            raise HttpError(
                431, f"The headers must have at most {_MAX_HEADER_BYTES} bytes."
            ) from None
        return _parse_head(head.decode("latin-1"))

    async def _read_body(self, head, reader, writer):
        method, path, version, headers = head
        length = self._length(headers)
        if headers.get("expect", "").lower() == "100-continue" and length != 0:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if length is None:
            body = await self._read_chunks(reader)
        else:
            body = await self._read(reader, length)
        return HttpRequest(method, path, headers, body)

    def _length(self, headers):
        """Returns the length of the body; None if it comes in chunks."""
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length", "0")
        if coding is not None:
            if coding.lower() != "chunked" or "content-length" in headers:
                raise HttpError(
                    400, "The body must be chunked or have a Content-Length."
                )
            return None
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise HttpError(
                400, f"Content-Length must be a number. Received: {length!r}"
            )
        self._check_size(int(length))
        return int(length)

    def _check_size(self, size):
        if size > self._limits.max_request_bytes:
            raise HttpError(
                413,
                "A request must have at most "
                f"{self._limits.max_request_bytes} bytes "
                f"(--max_request_bytes). Received: {size}",
            )

    async def _read(self, reader, length):
        """Reads so many bytes, with time for each piece."""
        pieces = []
        while length:
            piece = await asyncio.wait_for(
                reader.read(min(length, _PIECE)), self._limits.socket_seconds
            )
            if not piece:
                raise asyncio.IncompleteReadError(b"", length)
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    async def _read_chunks(self, reader):
        pieces, total = [], 0
        while size := await self._read_chunk_size(reader):
            total += size
            self._check_size(total)
            pieces.append(await self._read(reader, size))
            if await self._read_line(reader):
                raise HttpError(400, "A chunk must end with a line.")
        while await self._read_line(reader):
            pass  # headers after the body
        return b"".join(pieces)

    async def _read_chunk_size(self, reader):
        text = (await self._read_line(reader)).split(b";")[0].strip()
        try:
            size = int(text, 16)
        except ValueError:
            size = -1
        if size < 0:
            raise HttpError(400, f"A chunk must have a size. Received: {text}")
        return size

    async def _read_line(self, reader):
        try:
            line = await asyncio.wait_for(
                reader.readuntil(b"\r\n"), self._limits.socket_seconds
            )
        except asyncio.LimitOverrunError:
            raise HttpError(400, "A line is too long.") from None
        return line[:-2]

    async def _refuse(self, reader, writer, error):
        """Answers a request that is not read to its end."""
        response = HttpResponse(error.status, write_error(error.message))
        await self._write(writer, response, keeps_open=False)
        with contextlib.suppress(OSError, TimeoutError):
            writer.write_eof()
            await asyncio.wait_for(_discard(reader), _LINGER_SECONDS)

    async def _write(self, writer, response, keeps_open):
        writer.write(_head(response, keeps_open))
        body = memoryview(response.body)
        for start in range(0, len(body), _PIECE):
            writer.write(body[start : start + _PIECE])
            await asyncio.wait_for(writer.drain(), self._limits.socket_seconds)

    async def _close(self, writer):
        """Waits until the client has what was written."""
        writer.close()
        await asyncio.wait_for(
            writer.wait_closed(), self._limits.socket_seconds
        )


async def _discard(reader):
    while await reader.read(_PIECE):
        pass


def _listen(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=512)
    # asyncio does so for sockets that name TCP, which this one doesn't: without
    # it an answer of two parts waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    return listener


def _parse_head(text):
    first, *lines = text[:-4].split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise HttpError(
            400, f"The first line must be of HTTP/1.1. Received: {first[:80]!r}"
        )
    method, target, version = parts
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise HttpError(
                400, f"A header must have a name. Received: {line[:80]!r}"
            )
        name = name.lower()
        if name == "content-length" and name in headers:
            raise HttpError(400, "There must be one Content-Length.")
        headers[name] = value.strip()
    return method, target.split("?")[0], version, headers


def _keeps_open(request, version):
    connection = request.headers.get("connection", "").lower()
    if version == "HTTP/1.0":
        return connection == "keep-alive"
    return connection != "close"


def _head(response, keeps_open):
    try:
        reason = http.HTTPStatus(response.status).phrase
    except ValueError:
        reason = "Error"
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "Connection": "keep-alive" if keeps_open else "close",
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
