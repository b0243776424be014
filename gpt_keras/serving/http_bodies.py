"""A connection comes in, after the head, and the whole request goes out."""

import asyncio

from gpt_keras.serving.http_messages import Head
from gpt_keras.serving.http_messages import HttpError
from gpt_keras.serving.http_messages import HttpRequest

_PIECE = 256 * 1024  # bytes that are read before the next wait


class BodyReader:
    """Reads the bodies of requests.

    Args:
        max_bytes: The largest body.
        seconds: How long a client may make no progress.
    """

    def __init__(self, max_bytes: int, seconds: float):
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def read(self, head: Head, reader, writer) -> HttpRequest:
        """Returns the request when all of it is there.

        Args:
            head: What has come of it.
            reader: Of the connection.
            writer: Of the connection, for a client that waits to be told to
                go on.

        Raises:
            HttpError: The body is too large or breaks a rule.
            TimeoutError: The client makes no progress.
            IncompleteReadError: It hung up.
        """
        headers = head.headers
        length = self._length(headers)
        if headers.get("expect", "").lower() == "100-continue" and length != 0:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if length is None:
            body = await self._read_chunks(reader)
        else:
            body = await self._read_bytes(reader, length)
        return HttpRequest(head.method, head.path, headers, body)

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
        if size > self._max_bytes:
            raise HttpError(
                413,
                "A request must have at most "
                f"{self._max_bytes} bytes "
                f"(--max_request_bytes). Received: {size}",
            )

    async def _read_bytes(self, reader, length):
        """Reads so many bytes, with time for each piece."""
        pieces = []
        while length:
            piece = await asyncio.wait_for(
                reader.read(min(length, _PIECE)), self._seconds
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
            pieces.append(await self._read_bytes(reader, size))
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
                reader.readuntil(b"\r\n"), self._seconds
            )
        except asyncio.LimitOverrunError:
            raise HttpError(400, "A line is too long.") from None
        return line[:-2]
