"""A small SavedModel to serve, and plain clients for it."""

import http.client
import json
import os
import pathlib

import numpy as np
import tensorflow as tf

from gpt_keras.serving.server_config import OFF
from gpt_keras.serving.server_config import ServerConfig
from gpt_keras.serving.warm_up import WARM_UP_FILE
from gpt_keras.serving.warm_up import WarmUpRequest
from gpt_keras.serving.warm_up import write_warm_up

SPIN_FOREVER = 2**31 - 1


class Toy(tf.Module):
    """Signatures of every type; `version` tells one model from another."""

    def __init__(self, version):
        super().__init__()
        self.version = tf.Variable(version)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "texts")],
        autograph=False,
    )
    def echo(self, texts):
        return {"texts": tf.identity(texts)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int32, "ids"),
            tf.TensorSpec([None], tf.float32, "scale"),
            tf.TensorSpec([None], tf.bool, "negate"),
        ],
        autograph=False,
    )
    def mix(self, ids, scale, negate):
        sign = tf.where(negate, -1.0, 1.0)
        totals = tf.cast(tf.reduce_sum(ids, -1), tf.float32)
        return {
            "totals": totals * scale * sign,
            "ids": tf.identity(ids),
            "raw_bytes": tf.strings.as_string(scale),
            "version": tf.fill(tf.shape(scale), self.version),
            # A server that merges requests shows how many rows it merged.
            "rows": tf.fill(tf.shape(scale), tf.shape(scale)[0]),
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int32, "steps")],
        autograph=False,
    )
    def spin(self, steps):
        most = tf.reduce_max(steps)
        count = tf.while_loop(
            lambda i: i < most, lambda i: [i + 1], [tf.constant(0)]
        )[0]
        return {"count": tf.fill(tf.shape(steps), count)}

    @tf.function(
        input_signature=[tf.TensorSpec([], tf.int32, "size")], autograph=False
    )
    def large(self, size):
        return {"zeros": tf.zeros([1, size], tf.int32)}


def write_toy(folder: pathlib.Path, version: int, warm_up=()) -> str:
    """Writes a version under `folder` and returns its path."""
    toy = Toy(version)
    path = folder / f".writing-{version}"
    tf.saved_model.save(
        toy,
        str(path),
        signatures={
            "serving_default": toy.echo,
            "mix": toy.mix,
            "spin": toy.spin,
            "large": toy.large,
        },
    )
    if warm_up:
        write_warm_up(path / WARM_UP_FILE, folder.name, warm_up)
    done = folder / str(version)
    os.rename(path, done)
    return str(done)


def warm_up_request(**inputs) -> WarmUpRequest:
    """Returns a request to `mix`."""
    row = {
        "ids": np.array([[1, 2]], np.int32),
        "scale": np.array([1.0], np.float32),
        "negate": np.array([False]),
    }
    return WarmUpRequest("mix", row | inputs)


def toy_config(folder, **settings) -> ServerConfig:
    """Returns a configuration with free ports that waits for nothing."""
    settings = {
        "rest_api_port": 0,
        "port": OFF,
        "file_system_poll_wait_seconds": 0.0,
        "shutdown_grace_seconds": 5.0,
    } | settings
    return ServerConfig(str(folder), **settings)


def ask(server, method, path, body=None, **headers):
    """Returns the status and the body of an HTTP request."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", server.rest_port, timeout=20
    )
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def predict(server, request, path="/v1/models/toy:predict"):
    """Returns the status and the JSON of a prediction."""
    status, body = ask(server, "POST", path, json.dumps(request))
    return status, json.loads(body)
