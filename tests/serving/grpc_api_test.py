"""Tests of gRPC, by a client made of the protos alone."""

import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from serving_testing import SPIN_FOREVER
from serving_testing import toy_config
from serving_testing import write_toy
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from gpt_keras.serving.local_server import LocalServer
from gpt_keras.serving.server_config import OFF

MIX = {"ids": [[1, 2]], "scale": [0.5], "negate": [False]}
TYPES = {"ids": np.int32, "scale": np.float32, "negate": bool}
INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Client:
    """The two services' stubs."""

    def __init__(self, port, *options):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(
            self.channel
        )
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, request, timeout=20):
        return self.predictions.Predict(request, timeout=timeout)

    def mix(self, output_filter=(), **changes):
        return self.predict(mix_request(output_filter, **changes))


def mix_request(output_filter=(), **changes):
    request = predict_pb2.PredictRequest(output_filter=output_filter)
    request.model_spec.name = "toy"
    request.model_spec.signature_name = "mix"
    for name, values in (MIX | changes).items():
        if values is not None:
            array = np.array(values, TYPES.get(name))
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return request


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grpc") / "toy"
    folder.mkdir()
    write_toy(folder, 1)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    config = toy_config(
        folder,
        rest_api_port=OFF,
        port=0,
        grpc_max_message_bytes=9_000_000,
        socket_timeout_seconds=0.5,
    )
    with LocalServer(config) as server:
        yield server


@pytest.fixture
def client(server):
    client = Client(
        server.grpc_port,
        ("grpc.max_receive_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),
    )
    with client.channel:
        yield client
        outputs = client.mix().outputs  # whatever came before
        assert tf.make_ndarray(outputs["totals"]).tolist() == [1.5]


def _fails(code, call, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **kwargs)
    assert caught.value.code() == code
    return caught.value.details()


def test_predict(client):
    response = client.mix()
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "mix"
    assert set(response.outputs) == {
        "ids",
        "raw_bytes",
        "rows",
        "totals",
        "version",
    }
    # Value by value, as TF Serving, for clients that read the fields.
    assert response.outputs["totals"].float_val == [1.5]
    assert response.outputs["raw_bytes"].string_val == [b"0.500000"]
    response = client.mix(["totals"])
    assert set(response.outputs) == {"totals"}
    empty = client.mix(
        ids=np.zeros((0, 3)), scale=np.zeros(0), negate=np.zeros(0)
    )
    assert tf.make_ndarray(empty.outputs["ids"]).shape == (0, 3)


def test_predict_without_a_deadline(client):
    response = client.predictions.Predict(mix_request())
    assert response.outputs["totals"].float_val == [1.5]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ids", None),
        ("more", [1]),
        ("ids", [1]),
        ("ids", [["1"]]),
        ("scale", [1]),
        ("scale", 1.0),
    ],
)
def test_an_input_that_does_not_fit_is_named(client, name, values):
    request = mix_request()
    if values is None:
        del request.inputs[name]
    else:
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    assert name in _fails(INVALID, client.predict, request)


def test_unequal_row_counts_are_refused(client):
    _fails(INVALID, client.mix, scale=[1.0, 2.0], negate=[True] * 3)


def test_an_output_filter_names_each_output_once(client):
    assert "'no'" in _fails(INVALID, client.mix, ["no"])
    _fails(INVALID, client.mix, ["ids", "ids"])


def test_what_is_not_there_has_its_code(client):
    request = mix_request()
    request.model_spec.signature_name = "none"
    wrong = grpc.StatusCode.FAILED_PRECONDITION
    assert "'none'" in _fails(wrong, client.predict, request)
    missing = grpc.StatusCode.NOT_FOUND
    request = mix_request()
    request.model_spec.version.value = 7
    assert "version 7" in _fails(missing, client.predict, request)
    request.model_spec.version_label = "stable"
    assert "'stable'" in _fails(INVALID, client.predict, request)
    request.model_spec.name = "other" * 5000
    request.model_spec.version.value = 7
    assert _fails(missing, client.predict, request)
    request.model_spec.name = ""
    _fails(INVALID, client.predict, request)
    _fails(
        grpc.StatusCode.UNIMPLEMENTED,
        client.predictions.Classify,
        predict_pb2.PredictRequest(),
    )


@pytest.mark.parametrize(
    "text",
    [
        "dtype: DT_INT32 tensor_shape { dim { size: 1099511627776 } "
        "dim { size: 1 } } int_val: 1",
        "dtype: DT_INT32 tensor_shape { dim { size: -1 } dim { size: 1 } }",
        "dtype: DT_INT32 tensor_shape { unknown_rank: true }",
        "dtype: DT_INT32 tensor_shape { dim { size: 1 } dim { size: 3 } } "
        'tensor_content: "abc"',
        "tensor_shape { dim { size: 1 } dim { size: 1 } } int_val: 1",
        "dtype: DT_RESOURCE tensor_shape { dim { size: 1 } dim { size: 1 } }",
    ],
)
def test_a_malformed_tensor_is_refused(client, text):
    request = mix_request()
    request.inputs["ids"].Clear()
    text_format.Parse(text, request.inputs["ids"])
    assert "`ids`" in _fails(INVALID, client.predict, request)


def test_bytes_that_are_no_request_are_refused(client):
    call = client.channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict"
    )
    _fails(grpc.StatusCode.INTERNAL, call, b"\xff\xff", timeout=20)


def test_a_request_and_an_answer_too_large_are_refused(client):
    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
    large = np.zeros((1, 2_500_000))
    _fails(exhausted, client.mix, ids=large)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "toy"
    request.model_spec.signature_name = "large"
    request.inputs["size"].CopyFrom(tf.make_tensor_proto(np.int32(10**7)))
    _fails(exhausted, client.predict, request)
    request.inputs["size"].CopyFrom(tf.make_tensor_proto(np.int32(8 * 10**6)))
    answer = client.predict(request).outputs["zeros"]
    assert len(answer.int_val) == 8 * 10**6


def test_a_deadline_interrupts_the_run(client):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "toy"
    request.model_spec.signature_name = "spin"
    steps = tf.make_tensor_proto(np.array([SPIN_FOREVER], np.int32))
    request.inputs["steps"].CopyFrom(steps)
    late = grpc.StatusCode.DEADLINE_EXCEEDED
    _fails(late, client.predict, request, timeout=0.3)


def test_a_client_that_hangs_up_disturbs_no_one(client):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "toy"
    request.model_spec.signature_name = "spin"
    steps = tf.make_tensor_proto(np.array([SPIN_FOREVER], np.int32))
    request.inputs["steps"].CopyFrom(steps)
    future = client.predictions.Predict.future(request, timeout=1)
    time.sleep(0.1)
    future.cancel()


def test_a_client_that_never_sends_its_request_is_given_up(client):
    call = client.channel.stream_unary(
        "/tensorflow.serving.PredictionService/Predict"
    )
    never = threading.Event()

    def nothing():
        never.wait(60)
        yield b""

    future = call.future(nothing())
    with pytest.raises(grpc.RpcError):
        future.result(timeout=10)
    assert future.code() == grpc.StatusCode.CANCELLED
    never.set()


def test_metadata(client):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "toy"
    _fails(INVALID, client.predictions.GetModelMetadata, request)
    request.metadata_field.append("signature_def")
    answer = client.predictions.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def["mix"].inputs) == set(MIX)
    request.metadata_field.append("weights")
    _fails(INVALID, client.predictions.GetModelMetadata, request)


def test_status(client):
    request = get_model_status_pb2.GetModelStatusRequest()
    _fails(INVALID, client.models.GetModelStatus, request)
    request.model_spec.name = "toy"
    (status,) = client.models.GetModelStatus(request).model_version_status
    assert (status.version, status.state) == (1, 30)
    request.model_spec.version.value = 2
    missing = grpc.StatusCode.NOT_FOUND
    _fails(missing, client.models.GetModelStatus, request)


def test_the_configuration_is_changed_by_a_call(client, folder):
    request = model_management_pb2.ReloadConfigRequest()
    reload = client.models.HandleReloadConfigRequest
    _fails(INVALID, reload, request)
    config = request.config.model_config_list.config.add(
        name="toy", base_path=str(folder)
    )
    assert "model_platform" in _fails(INVALID, reload, request)
    config.model_platform = "tensorflow"
    config.version_labels["stable"] = 2
    wrong = grpc.StatusCode.FAILED_PRECONDITION
    assert "'stable'" in _fails(wrong, reload, request)
    config.version_labels["stable"] = 1
    assert reload(request).status.error_code == 0
    labelled = mix_request()
    labelled.model_spec.version_label = "stable"
    assert client.predict(labelled).model_spec.version.value == 1


def test_too_many_at_once_are_unavailable(folder):
    config = toy_config(
        folder, rest_api_port=OFF, port=0, max_in_flight_requests=1
    )
    with LocalServer(config) as server:
        client = Client(server.grpc_port)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "toy"
        request.model_spec.signature_name = "spin"
        steps = tf.make_tensor_proto(np.array([SPIN_FOREVER], np.int32))
        request.inputs["steps"].CopyFrom(steps)
        with client.channel:
            running = client.predictions.Predict.future(request, timeout=1)
            while not server._admission.in_flight:
                time.sleep(0.01)
            busy = grpc.StatusCode.UNAVAILABLE
            assert "at once" in _fails(busy, client.mix)
            assert running.exception() is not None
            while server._admission.in_flight:
                time.sleep(0.01)
            assert client.mix().outputs["totals"].float_val == [1.5]
