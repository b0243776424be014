"""A function from requests to responses comes in, an HTTP/1.1 server goes out.

One thread waits for all connections, so that who sends or reads slowly costs
no thread; the function runs in a few others.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import NamedTuple

from gpt_keras.serving.http_bodies import BodyReader
from gpt_keras.serving.http_messages import HttpError
from gpt_keras.serving.http_messages import HttpRequest
from gpt_keras.serving.http_messages import HttpResponse
from gpt_keras.serving.http_messages import keeps_open
from gpt_keras.serving.http_messages import parse_head
from gpt_keras.serving.http_messages import write_head
from gpt_keras.serving.json_responses import write_error

_logger = logging.getLogger(__name__)

_MAX_HEADER_BYTES = 64 * 1024
_PIECE = 256 * 1024  # bytes that are written before the next wait
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
        self._bodies = BodyReader(
            limits.max_request_bytes, limits.socket_seconds
        )
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
        assert task is not None  # this one
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
        stays_open = True
        while stays_open and not self._is_stopping:
            head = await self._read_head(reader)
            if head is None:
                return
            self._connections[task] = True
            request = await self._bodies.read(head, reader, writer)
            response = await self._answer(request)
            if request.method == "HEAD":
                response = response._replace(body=b"")
            stays_open = keeps_open(head) and not self._is_stopping
            await self._write(writer, response, stays_open)
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
        """Returns what comes before the body; None at the end."""
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
        return parse_head(head.decode("latin-1"))

    async def _refuse(self, reader, writer, error):
        """Answers a request that is not read to its end."""
        response = HttpResponse(error.status, write_error(error.message))
        await self._write(writer, response, stays_open=False)
        with contextlib.suppress(OSError, TimeoutError):
            writer.write_eof()
            await asyncio.wait_for(_discard(reader), _LINGER_SECONDS)

    async def _write(self, writer, response, stays_open):
        writer.write(write_head(response, stays_open))
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
