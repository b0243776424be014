"""Tensors in, the same out once a gradient has come: for what is made again.

Otherwise a graph makes it right away, or sees that it is there already, and
keeps it all the time.
"""

import keras


def after(upstream, tensors):
    """Returns tensors that are there only once `upstream` is.

    Under XLA nothing holds them back; what is computed is the same.

    Args:
        upstream: A gradient.
        tensors: A sequence of what was kept for its sake.
    """
    if keras.backend.backend() != "tensorflow":
        return tensors
    import tensorflow as tf

    with tf.control_dependencies([upstream]):
        return [tf.identity(tensor) for tensor in tensors]
