"""Serves exported models on this machine: for laptops and tests.

    python -m tools.serve --model_base_path=saved_models/quickstart

It has the REST and gRPC surface of TensorFlow Serving, and its flags where it
has them. Production is TensorFlow Serving: see docs/serving.md. It stops, when
what runs is answered, at Ctrl-C or SIGTERM.
"""

import dataclasses
import time

import tensorflow as tf

from gpt_keras import flags
from gpt_keras.cli import program
from gpt_keras.progress import Working
from gpt_keras.serving.local_server import LocalServer
from gpt_keras.serving.server_config import OFF
from gpt_keras.serving.server_config import ServerConfig
from gpt_keras.training.stop_signals import StopSignals

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LOOK_SECONDS = 0.2  # between looks at whether a signal came
_NOTICE = """\
This is gpt_keras' local server, for laptops and tests: no authentication, no \
tuned speed.
Production is TensorFlow Serving: see docs/serving.md."""


def define_flags(values):
    """Defines the program's flags: the fields of `ServerConfig`."""
    flags.define(ServerConfig, values)
    for field in dataclasses.fields(ServerConfig):
        values.set_default(field.name, field.default)


def main(values):
    """Serves until Ctrl-C or SIGTERM."""
    tf.get_logger().setLevel("ERROR")  # the v1 loader is called old
    print(_NOTICE, flush=True)
    with StopSignals() as stop:
        config = _config(values)
        with Working("Loading the models"):
            server = LocalServer(config)
        with server:
            _say_where(values, server)
            while not stop.received:
                time.sleep(_LOOK_SECONDS)
            print("Stopping: what runs is answered first.", flush=True)


def run():
    """Runs the program."""
    program.run(define_flags, main)


def _config(values):
    """Returns the configuration; a port of 0 is none, as in TF Serving."""
    given = {
        field.name: values[field.name].value
        for field in dataclasses.fields(ServerConfig)
    }
    for name in ("rest_api_port", "port"):
        if given.get(name) == 0:
            given[name] = OFF
    return ServerConfig(**given)


def _say_where(values, server):
    host = f"[{values.host}]" if ":" in values.host else values.host
    for name in server.model_names:
        if server.rest_port:
            url = f"http://{host}:{server.rest_port}/v1/models/{name}"
            print(f"REST {url}", flush=True)
    if server.grpc_port:
        print(f"gRPC {host}:{server.grpc_port}", flush=True)
    if server.rest_port and values.playground:
        print(f"Playground http://{host}:{server.rest_port}/", flush=True)
    if values.host not in _LOOPBACK:
        print("Everyone who reaches this address can ask.", flush=True)
