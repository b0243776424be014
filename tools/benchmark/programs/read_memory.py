"""Reads as much memory as a model's weights, for the limit of decoding."""

import numpy as np
import tensorflow as tf
import worker


def make(options):
    """Options: `bytes`, how much to read at a time; `times`."""
    rows = options["bytes"] // 4 // 1024
    matrix = tf.random.normal([rows, 1024])
    vector = tf.random.normal([1024, 1])
    product = tf.function(lambda: tf.matmul(matrix, vector))

    def repeat():
        for _ in range(options["times"]):
            np.asarray(product())
        return {"units": rows * 4 * 1024 * options["times"]}

    return {"tensorflow": tf.__version__}, repeat


if __name__ == "__main__":
    worker.serve(make)
