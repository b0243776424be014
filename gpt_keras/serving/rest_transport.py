"""Requests come in, TF Serving's answers by REST go out.

Of the standard library and NumPy alone.
"""

import base64
import email.utils
import json
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

import numpy as np

from gpt_keras.serving.client_errors import call_error
from gpt_keras.serving.client_protocol import ModelMetadata
from gpt_keras.serving.client_protocol import ModelSpec
from gpt_keras.serving.client_protocol import SignatureInfo
from gpt_keras.serving.client_protocol import TensorInfo
from gpt_keras.serving.client_protocol import VersionStatus
from gpt_keras.serving.http_connections import HttpConnections

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_SHOWN = 500  # characters of an answer that isn't the server's


class RestTransport:
    """Speaks to one server; connections are kept and used again.

    Args:
        url: `http://HOST:PORT` or `https://…`, with what a proxy puts before
            `/v1`.
        headers: Sent with each request.
    """

    sends_states = False  # as base64 they would be a third longer

    def __init__(self, url: str, headers: Mapping[str, str]):
        self._connections = HttpConnections(url)
        self._root = urllib.parse.urlsplit(url).path.rstrip("/") + "/v1/models/"
        self._headers = {"Content-Type": "application/json", **headers}

    def predict(
        self,
        spec: ModelSpec,
        signature: str,
        inputs: Mapping[str, Any],
        info: SignatureInfo,
        seconds: float,
    ) -> dict[str, Any]:
        """Calls a signature.

        Args:
            spec: Of the model.
            signature: Its name.
            inputs: By name, nested lists of numbers, texts and bytes.
            info: The signature's inputs and outputs.
            seconds: Until the answer must be there.

        Returns:
            By name, NumPy arrays of numbers or lists of texts and bytes.

        Raises:
            CallError: It was not answered.
        """
        columns = {name: _encoded(value) for name, value in inputs.items()}
        body = {"signature_name": signature, "inputs": columns}
        answer = self._ask("POST", f"{_path(spec)}:predict", body, seconds)
        outputs = _field(answer, "outputs")
        if not isinstance(outputs, dict):  # of a signature with one output
            outputs = {name: outputs for name in info.outputs}
        return {
            name: _decoded(value, info.outputs.get(name))
            for name, value in outputs.items()
        }

    def status(self, spec: ModelSpec, seconds: float) -> list[VersionStatus]:
        """Returns the state of each version; raises as `predict`."""
        answer = self._ask("GET", _path(spec), None, seconds)
        return [
            VersionStatus(
                int(one["version"]),
                one["state"],
                one.get("status", {}).get("error_code", "OK"),
                one.get("status", {}).get("error_message", ""),
            )
            for one in _field(answer, "model_version_status")
        ]

    def metadata(self, spec: ModelSpec, seconds: float) -> ModelMetadata:
        """Returns version and signatures; raises as `predict`."""
        answer = self._ask("GET", f"{_path(spec)}/metadata", None, seconds)
        table = _field(answer, "metadata")["signature_def"]["signature_def"]
        signatures = {
            name: SignatureInfo(
                _tensors(one.get("inputs", {})),
                _tensors(one.get("outputs", {})),
            )
            for name, one in table.items()
        }
        return ModelMetadata(int(answer["model_spec"]["version"]), signatures)

    def close(self) -> None:
        """Closes the connections that are idle."""
        self._connections.close()

    def _ask(self, method, path, body, seconds):
        data = None if body is None else json.dumps(body).encode()
        answer = self._connections.exchange(
            method, self._root + path, data, self._headers, seconds
        )
        content = _parsed(answer.body)
        if answer.status == 200 and content is not None:
            return content
        message = (content or {}).get("error") or _shown(answer.body)
        raise call_error(
            _CODES.get(answer.status, "UNKNOWN"),
            f"{message} (HTTP {answer.status})",
            _retry_after(answer.headers),
        )


def _path(spec: ModelSpec) -> str:
    path = urllib.parse.quote(spec.name, safe="")
    if spec.version is not None:
        path += f"/versions/{spec.version}"
    if spec.label is not None:
        path += f"/labels/{urllib.parse.quote(spec.label, safe='')}"
    return path


def _parsed(content: bytes) -> dict | None:
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _field(answer, name):
    if name not in answer:
        raise call_error(
            "UNKNOWN",
            f"the answer should have {name!r}, and has {sorted(answer)}: is "
            "this the REST port of a model server?",
        )
    return answer[name]


def _shown(content: bytes) -> str:
    text = content[:_SHOWN].decode("utf-8", "replace").strip()
    return f"an answer that is not JSON: {text!r}"


def _retry_after(headers) -> float | None:
    """Returns the seconds of `Retry-After`, which may be a date."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _tensors(table) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(_dtype(info["dtype"]), _shape(info["tensor_shape"]))
        for name, info in table.items()
    }


def _dtype(name: str) -> str:
    """Returns `"float32"` for `"DT_FLOAT"`."""
    name = name.removeprefix("DT_").lower()
    return {"float": "float32", "double": "float64", "half": "float16"}.get(
        name, name
    )


def _shape(shape) -> tuple[int, ...] | None:
    if shape.get("unknown_rank"):
        return None
    return tuple(int(dim["size"]) for dim in shape.get("dim", ()))


def _encoded(value):
    """Returns what JSON can hold: bytes become base64."""
    if isinstance(value, list):
        return [_encoded(one) for one in value]
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value


def _decoded(value, info: TensorInfo | None):
    if info is not None and info.dtype != "string":
        return np.array(value, info.dtype)
    return _texts(value)


def _texts(value):
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value
