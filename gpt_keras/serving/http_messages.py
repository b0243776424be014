"""The bytes of HTTP/1.1 heads in, requests out, and responses the other way."""

import http
from collections.abc import Mapping
from typing import NamedTuple


class Head(NamedTuple):
    """What comes before the body of a request.

    Attributes:
        method: GET, POST, ….
        path: Without what follows a question mark.
        version: Of HTTP.
        headers: By lower-case name.
    """

    method: str
    path: str
    version: str
    headers: Mapping[str, str]


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


def parse_head(text: str) -> Head:
    """Reads the first line and the headers of a request.

    Args:
        text: Both, with the empty line at the end.

    Raises:
        HttpError: They break a rule.
    """
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
    return Head(method, target.split("?")[0], version, headers)


def keeps_open(head: Head) -> bool:
    """Returns whether the client wants the connection to stay."""
    connection = head.headers.get("connection", "").lower()
    if head.version == "HTTP/1.0":
        return connection == "keep-alive"
    return connection != "close"


def write_head(response: HttpResponse, stays_open: bool) -> bytes:
    """Returns the first line and the headers of a response."""
    try:
        reason = http.HTTPStatus(response.status).phrase
    except ValueError:
        reason = "Error"
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "Connection": "keep-alive" if stays_open else "close",
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
