"""HTTP requests to `/` and its files come in, the playground's page goes out.

The files lie in `playground/` and are read once: a request for one touches
neither model nor disk.
"""

import hashlib
import importlib.resources
from collections.abc import Sequence
from typing import NamedTuple

from gpt_keras.serving.http_messages import HttpRequest
from gpt_keras.serving.http_messages import HttpResponse
from gpt_keras.serving.json_responses import write_error

_FOLDER = "playground"
_INDEX = "index.html"
_CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_METHODS = ("GET", "HEAD")


class _File(NamedTuple):
    """A file as it is sent."""

    body: bytes
    content_type: str
    tag: str


class PlaygroundPages:
    """Answers requests for the page and its files.

    Args:
        servers: Origins, such as `http://HOST:PORT`, that the page may ask
            beside the one that it comes from.
    """

    def __init__(self, servers: Sequence[str] = ()):
        self._files = {f"/{name}": file for name, file in _files().items()}
        self._files["/"] = self._files.pop(f"/{_INDEX}")
        self._headers = {
            "Content-Security-Policy": _policy(servers),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",  # asks each time whether it changed
        }

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Returns the response; None if the path is none of the files'."""
        file = self._files.get(request.path)
        if file is None:
            return None
        if request.method not in _METHODS:
            message = (
                f"The method must be one of {list(_METHODS)}. Received: "
                f"{request.method}"
            )
            headers = {"Allow": ", ".join(_METHODS)}
            return HttpResponse(405, write_error(message), headers=headers)
        headers = self._headers | {"ETag": file.tag}
        if _has_it(request.headers.get("if-none-match", ""), file.tag):
            return HttpResponse(304, b"", file.content_type, headers)
        if request.method == "HEAD":
            headers["Content-Length"] = str(len(file.body))
            return HttpResponse(200, b"", file.content_type, headers)
        return HttpResponse(200, file.body, file.content_type, headers)


def _files() -> dict[str, _File]:
    folder = importlib.resources.files("gpt_keras.serving") / _FOLDER
    files = {}
    for entry in folder.iterdir():
        content_type = _CONTENT_TYPES.get(entry.name.rpartition(".")[2])
        if content_type is not None:
            body = entry.read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            files[entry.name] = _File(body, content_type, tag)
    return files


def _policy(servers):
    """Returns what the page may load, run and ask."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            " ".join(["connect-src 'self'", *servers]),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def _has_it(tags, tag):
    """Returns whether an `If-None-Match` names what would be sent."""
    given = [one.strip().removeprefix("W/") for one in tags.split(",")]
    return tag in given or given == ["*"]
