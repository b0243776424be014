"""HTTP requests come in, answers go out, over connections that are kept."""

import http.client
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from typing import NamedTuple

from gpt_keras.serving.client_errors import CallError
from gpt_keras.serving.client_errors import DeadlineError
from gpt_keras.serving.client_errors import UnavailableError
from gpt_keras.serving.client_retries import Deadline

_CHUNK = 2**20  # bytes


class HttpAnswer(NamedTuple):
    """Status, headers and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpConnections:
    """Connections to one server, for any number of threads.

    Args:
        url: `http://HOST:PORT` or `https://…`.

    Raises:
        ValueError: The URL is another.
    """

    def __init__(self, url: str):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                "The URL must be http://HOST:PORT or https://HOST:PORT. "
                f"Received: {url!r}"
            )
        self._url = url
        self._address = (parts.hostname, parts.port)
        is_plain = parts.scheme == "http"
        self._tls = None if is_plain else ssl.create_default_context()
        self._idle = []
        self._lock = threading.Lock()

    def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
    ) -> HttpAnswer:
        """Sends a request and reads the whole answer.

        Args:
            method: `"GET"` or `"POST"`.
            path: On the server.
            body: None for none.
            headers: Of the request.
            seconds: For all of it.

        Raises:
            UnavailableError: No server answers, or it hung up.
            DeadlineError: The time is over.
            CallError: The server's certificate is not valid.
        """
        deadline = Deadline(seconds)
        while True:
            connection, is_used = self._take(deadline.left())
            try:
                answer = _exchanged(
                    connection, (method, path, body, headers), deadline
                )
            except (ConnectionError, http.client.HTTPException) as error:
                connection.close()
                if is_used:  # the server may have closed it long ago
                    self.close()
                    continue
                raise self._typed(error, seconds) from error
            except OSError as error:
                connection.close()
                raise self._typed(error, seconds) from error
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
            return answer

    def close(self) -> None:
        """Closes the connections that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self, seconds):
        """Returns a connection, and whether it has been used before."""
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        host, port = self._address
        if self._tls is None:
            new = http.client.HTTPConnection(host, port, timeout=seconds)
        else:
            new = http.client.HTTPSConnection(
                host, port, timeout=seconds, context=self._tls
            )
        return new, False

    def _typed(self, error, seconds) -> CallError:
        """Returns the error for what the network says."""
        if isinstance(error, CallError):
            return error
        if isinstance(error, TimeoutError):
            words = f"no answer within {seconds:.3g} seconds"
            return DeadlineError("DEADLINE_EXCEEDED", f"{self._url}: {words}")
        words = f"{self._url}: {type(error).__name__}: {error}"
        if isinstance(error, ssl.SSLError):
            return CallError("UNKNOWN", words)
        return UnavailableError("UNAVAILABLE", words)

    def _give_back(self, connection):
        if connection.sock is not None:  # the server keeps it open
            with self._lock:
                self._idle.append(connection)


def _exchanged(connection, request, deadline) -> HttpAnswer:
    if connection.sock is None:
        connection.connect()
    sock = connection.sock  # the connection forgets it where the server closes
    sock.settimeout(deadline.left())
    method, path, body, headers = request
    connection.request(method, path, body, headers)
    sock.settimeout(deadline.left())
    response = connection.getresponse()
    parts = []
    while True:
        sock.settimeout(deadline.left())
        part = response.read1(_CHUNK)
        if not part:
            break
        parts.append(part)
    if response.length:
        raise ConnectionError(f"it ended {response.length} bytes too early")
    response.close()  # which lets the connection be used again
    return HttpAnswer(response.status, response.headers, b"".join(parts))
