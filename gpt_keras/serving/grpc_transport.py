"""Requests come in, TF Serving's answers by gRPC go out.

The messages of `tensorflow-serving-api` are made of TensorFlow's own, so that
this module imports TensorFlow, which takes seconds.
"""

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from gpt_keras.serving.client_errors import CallError
from gpt_keras.serving.client_errors import InvalidRequestError
from gpt_keras.serving.client_errors import call_error
from gpt_keras.serving.client_protocol import ModelMetadata
from gpt_keras.serving.client_protocol import ModelSpec
from gpt_keras.serving.client_protocol import SignatureInfo
from gpt_keras.serving.client_protocol import TensorInfo
from gpt_keras.serving.client_protocol import VersionStatus

_OPTIONS = (
    # A row's state or logits are larger than gRPC's 4 MiB.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that starts anew is found as soon as it is there.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # As by REST: the server's name is asked itself.
    ("grpc.enable_http_proxy", 0),
)


class GrpcTransport:
    """Speaks to one server over one channel.

    Args:
        target: `HOST:PORT`.
        headers: Sent with each request.
        tls: Whether the server has a certificate.
    """

    sends_states = True

    def __init__(self, target: str, headers: Mapping[str, str], tls: bool):
        if tls:
            credentials = grpc.ssl_channel_credentials()
            self._channel = grpc.secure_channel(target, credentials, _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(target, _OPTIONS)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )
        self._model = model_service_pb2_grpc.ModelServiceStub(self._channel)
        # gRPC takes names in lower case only.
        self._headers = [(key.lower(), value) for key, value in headers.items()]

    def predict(
        self,
        spec: ModelSpec,
        signature: str,
        inputs: Mapping[str, Any],
        info: SignatureInfo,
        seconds: float,
    ) -> dict[str, Any]:
        """Calls a signature; see `RestTransport.predict`."""
        request = predict_pb2.PredictRequest(
            model_spec=_model_spec(spec, signature),
            inputs={
                name: _tensor(name, value, info.inputs.get(name))
                for name, value in inputs.items()
            },
        )
        answer = self._ask(self._prediction.Predict, request, seconds)
        return {
            name: _column(name, tensor)
            for name, tensor in answer.outputs.items()
        }

    def status(self, spec: ModelSpec, seconds: float) -> list[VersionStatus]:
        """Returns the state of each version; raises as `predict`."""
        request = get_model_status_pb2.GetModelStatusRequest(
            model_spec=_model_spec(spec)
        )
        answer = self._ask(self._model.GetModelStatus, request, seconds)
        return [
            VersionStatus(
                one.version,
                one.State.Name(one.state),
                _code_name(one.status.error_code),
                one.status.error_message,
            )
            for one in answer.model_version_status
        ]

    def metadata(self, spec: ModelSpec, seconds: float) -> ModelMetadata:
        """Returns version and signatures; raises as `predict`."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=_model_spec(spec), metadata_field=["signature_def"]
        )
        answer = self._ask(self._prediction.GetModelMetadata, request, seconds)
        table = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(table)
        signatures = {
            name: SignatureInfo(_infos(one.inputs), _infos(one.outputs))
            for name, one in table.signature_def.items()
        }
        return ModelMetadata(answer.model_spec.version.value, signatures)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _ask(self, method, request, seconds):
        try:
            return method(request, timeout=seconds, metadata=self._headers)
        except grpc.RpcError as error:
            raise _typed(error) from error


def _model_spec(spec: ModelSpec, signature: str = ""):
    request = predict_pb2.PredictRequest()
    made = request.model_spec
    made.name, made.signature_name = spec.name, signature
    if spec.version is not None:
        made.version.value = spec.version
    if spec.label is not None:
        made.version_label = spec.label
    return made


def _typed(error) -> CallError:
    code, details = error.code().name, error.details() or ""
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        return InvalidRequestError(code, details)  # it won't get smaller
    waits = dict(error.trailing_metadata() or ())
    wait = str(waits.get("grpc-retry-pushback-ms"))
    retry_after = int(wait) / 1000 if wait.isdecimal() else None
    return call_error(code, details, retry_after)


def _tensor(name, value, info: TensorInfo | None):
    dtype = None if info is None else tf.as_dtype(info.dtype)
    try:
        if dtype is not None and dtype != tf.string:
            value = _numbers(value, dtype.as_numpy_dtype)
        return tf.make_tensor_proto(value, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"`{name}` must be {info.dtype if info else 'a tensor'}, all rows "
            f"of one length. Received: {value!r:.200}"
        ) from error


# The kinds of NumPy arrays that become one without loss.
_KINDS = {"i": "iu", "u": "iu", "f": "iuf", "b": "b"}


def _numbers(value, dtype) -> np.ndarray:
    array = np.array(value)
    kinds = _KINDS.get(np.dtype(dtype).kind)
    if array.size and kinds is not None and array.dtype.kind not in kinds:
        raise TypeError(f"{array.dtype} is not {dtype}")
    return np.array(value, dtype)  # where Python's integers are checked


def _column(name, tensor):
    array = tf.make_ndarray(tensor)
    if tensor.dtype != tf.string.as_datatype_enum:
        return array
    return _texts(name, array.tolist())


def _texts(name, value):
    """Returns bytes as text, unless the name says that they are none."""
    if isinstance(value, list):
        return [_texts(name, one) for one in value]
    if name.endswith("_bytes"):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _infos(table) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(tf.as_dtype(info.dtype).name, _shape(info))
        for name, info in table.items()
    }


def _shape(info) -> tuple[int, ...] | None:
    if info.tensor_shape.unknown_rank:
        return None
    return tuple(dim.size for dim in info.tensor_shape.dim)


def _code_name(number: int) -> str:
    names = {code.value[0]: code.name for code in grpc.StatusCode}
    return names.get(number, str(number))
