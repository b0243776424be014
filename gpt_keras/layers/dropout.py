"""Dropout whose masks differ between the replicas of a strategy."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="gpt_keras")
class Dropout(keras.layers.Layer):
    """Zeroes a share `rate` of its inputs while training.

    Keras' own layer draws the *same* mask on every replica of a
    `MirroredStrategy`, because its seed is mirrored; here the replica's
    number is folded into the seed.

    Args:
        rate: The share to drop, `0 <= rate < 1`.
        seed: Integer, or None for one drawn by Keras.

    Reference:
        Srivastava et al. 2014, Dropout.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}")
        self.rate = rate
        self.seed = seed
        if rate > 0:
            self.seed_generator = ReplicaSeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        return keras.random.dropout(inputs, self.rate, seed=self.seed_generator)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class ReplicaSeedGenerator(keras.random.SeedGenerator):
    """A seed generator that gives each replica a sequence of its own."""

    def next(self, ordered=True):
        seed = super().next(ordered=ordered)
        if keras.backend.backend() != "tensorflow":
            return seed
        return seed + ops.stack([_replica_id() * _STRIDE, 0])


_STRIDE = 0x9E3779B1  # 2^32 / golden ratio: seeds of replicas stay far apart


def _replica_id():
    """Returns the number of this replica, int64, 0 without a strategy."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    number = context.replica_id_in_sync_group if context else 0
    return ops.cast(number, "int64")
