"""Text protos of TF Serving's configuration in, messages out.

The package of the server's API leaves two of them out: they stand here with
the fields of release 2.20.
"""

import os

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format
from google.protobuf import wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

_TYPE = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "gpt_keras.serving"
_MESSAGES = {
    # servables/tensorflow/session_bundle_config.proto
    "BatchingParameters": {
        "max_batch_size": (1, ".google.protobuf.Int64Value"),
        "batch_timeout_micros": (2, ".google.protobuf.Int64Value"),
        "max_enqueued_batches": (3, ".google.protobuf.Int64Value"),
        "num_batch_threads": (4, ".google.protobuf.Int64Value"),
        "thread_pool_name": (5, ".google.protobuf.StringValue"),
        "allowed_batch_sizes": (6, _TYPE.TYPE_INT64),
        "pad_variable_length_inputs": (7, _TYPE.TYPE_BOOL),
        "enable_large_batch_splitting": (8, ".google.protobuf.BoolValue"),
        "max_execution_batch_size": (9, ".google.protobuf.Int64Value"),
    },
    # config/monitoring_config.proto
    "PrometheusConfig": {
        "enable": (1, _TYPE.TYPE_BOOL),
        "path": (2, _TYPE.TYPE_STRING),
    },
    "MonitoringConfig": {
        "prometheus_config": (1, f".{_PACKAGE}.PrometheusConfig"),
    },
}
_REPEATED = {"allowed_batch_sizes"}


def _make_messages():
    file = descriptor_pb2.FileDescriptorProto(
        name="gpt_keras/serving/server_messages.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            made = message.field.add(name=field, number=number)
            repeated = field in _REPEATED
            made.label = (
                _TYPE.LABEL_REPEATED if repeated else _TYPE.LABEL_OPTIONAL
            )
            if isinstance(kind, str):
                made.type, made.type_name = _TYPE.TYPE_MESSAGE, kind
            else:
                made.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
        )
        for name in _MESSAGES
    }


_CLASSES = _make_messages()
BatchingParameters = _CLASSES["BatchingParameters"]
MonitoringConfig = _CLASSES["MonitoringConfig"]
ModelServerConfig = model_server_config_pb2.ModelServerConfig


def read_message(path: str | os.PathLike, message_class):
    """Reads a text proto.

    Args:
        path: The file.
        message_class: One of this module's classes.

    Raises:
        ValueError: The file is no such message.
        OSError: The file can't be read.
    """
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return text_format.Parse(text, message_class())
    except text_format.ParseError as error:
        name = message_class.DESCRIPTOR.name
        raise ValueError(
            f"{path} must be a {name} in text format. Received: {error}"
        ) from error
