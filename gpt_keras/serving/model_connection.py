"""A signature and its inputs come in, a served model's outputs go out.

By REST or gRPC, tried again where that helps, until a deadline.
"""

from collections.abc import Mapping
from typing import Any

from gpt_keras.serving.client_errors import InvalidRequestError
from gpt_keras.serving.client_errors import NotFoundError
from gpt_keras.serving.client_inputs import plain_inputs
from gpt_keras.serving.client_protocol import ModelMetadata
from gpt_keras.serving.client_protocol import ModelSpec
from gpt_keras.serving.client_protocol import SignatureInfo
from gpt_keras.serving.client_protocol import VersionStatus
from gpt_keras.serving.client_retries import Deadline
from gpt_keras.serving.client_retries import Retries
from gpt_keras.serving.rest_transport import RestTransport


class ModelConnection:
    """A model on a server, for any number of threads.

    Args:
        server: As for `Client`.
        spec: Of the model.
        timeout: Seconds that a call has, unless it says otherwise.
        retries: What is tried again.
        headers: Sent with each request.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(
        self,
        server: str,
        spec: ModelSpec,
        timeout: float,
        retries: Retries,
        headers: Mapping[str, str],
    ):
        self._spec = _checked(spec)
        self._timeout = _checked_timeout(timeout)
        self._retries = retries
        self._transport = _transport(server, headers)
        self._signatures: dict[str, SignatureInfo] = {}

    @property
    def sends_states(self) -> bool:
        """Whether a model's state is sent as it is, without base64."""
        return self._transport.sends_states

    def close(self) -> None:
        """Closes what is open to the server."""
        self._transport.close()

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        timeout: float | None = None,
        version: int | None = None,
        optional: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Calls a signature; see `Client.predict`.

        Args:
            signature: Its name.
            inputs: By name.
            timeout: Seconds; None for the connection's.
            version: Instead of the connection's version or label.
            optional: Inputs that are left out where the model is older than
                they are.
        """
        columns = plain_inputs(inputs)
        spec = self._spec
        if version is not None:
            spec = spec._replace(version=version, label=None)

        def send(deadline):
            info = self._info(signature, columns, deadline)
            try:
                return ask(info, deadline)
            except InvalidRequestError:
                # A version with other inputs may have come since.
                again = self._read_metadata(deadline).signatures.get(signature)
                if again in (None, info):
                    raise
            return ask(again, deadline)

        def ask(info, deadline):
            added = {
                name: value
                for name, value in (optional or {}).items()
                if name in info.inputs
            }
            return self._transport.predict(
                spec, signature, columns | added, info, deadline.left()
            )

        return self._retried(send, timeout)

    def status(self, timeout: float | None = None) -> list[VersionStatus]:
        """Returns the state of the model's versions, or of the one chosen."""

        def send(deadline):
            return self._transport.status(self._spec, deadline.left())

        return self._retried(send, timeout)

    def metadata(self, timeout: float | None = None) -> ModelMetadata:
        """Returns the version that answers and its signatures."""
        return self._retried(self._read_metadata, timeout)

    def _retried(self, send, timeout):
        seconds = (
            self._timeout if timeout is None else _checked_timeout(timeout)
        )
        return self._retries.call(send, Deadline(seconds))

    def _read_metadata(self, deadline) -> ModelMetadata:
        metadata = self._transport.metadata(self._spec, deadline.left())
        self._signatures = metadata.signatures
        return metadata

    def _info(self, signature, inputs, deadline) -> SignatureInfo:
        """Returns what the model says of a signature, asked once."""
        info = self._signatures.get(signature)
        if info is None or not info.inputs.keys() >= inputs.keys():
            info = self._read_metadata(deadline).signatures.get(signature)
        if info is None:
            raise NotFoundError(
                "NOT_FOUND",
                f"the model has no signature {signature!r}; it has "
                f"{sorted(self._signatures)}",
            )
        return info


def _checked(spec: ModelSpec) -> ModelSpec:
    if not isinstance(spec.name, str) or not spec.name:
        raise ValueError(
            f"`model_name` must be a name. Received: {spec.name!r}"
        )
    if spec.version is not None and spec.label is not None:
        raise ValueError(
            "A model must be chosen by its version or by a label, not by both. "
            f"Received: version={spec.version}, label={spec.label!r}"
        )
    if spec.version is not None and not 0 <= spec.version < 2**63:
        raise ValueError(
            f"`version` must be from 0 to 2**63 - 1. Received: {spec.version}"
        )
    if spec.label == "":
        raise ValueError("`label` must not be empty. Received: label=''")
    return spec


def _checked_timeout(seconds: float) -> float:
    if not 0 < seconds < 2**31:
        raise ValueError(
            "`timeout` must be a number of seconds above 0. Received: "
            f"timeout={seconds!r}"
        )
    return seconds


def _transport(server: str, headers: Mapping[str, str]):
    if server.startswith(("http://", "https://")):
        return RestTransport(server, headers)
    target = server.removeprefix("grpc://").removeprefix("grpcs://")
    _, colon, port = target.rpartition(":")
    if "://" in target or not colon or not port.isdecimal():
        raise ValueError(
            "`server` must be http://HOST:PORT or https://HOST:PORT for REST, "
            "HOST:PORT or grpcs://HOST:PORT for gRPC. Received: "
            f"{server!r}"
        )
    # Here: it takes seconds, which REST does without.
    from gpt_keras.serving.grpc_transport import GrpcTransport

    return GrpcTransport(target, headers, tls=server.startswith("grpcs://"))
