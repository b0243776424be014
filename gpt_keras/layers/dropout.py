"""Dropout whose masks differ between the replicas of a strategy.

A mask comes from a seed, and a seed is drawn by changing a variable. Where that
can't be done, or must not be done twice (within what XLA compiles on one of
several replicas, or in a forward pass that is computed again for its
gradients), the seeds are drawn before, and held fixed.
"""

import contextlib
import threading

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
        seed = _fixed().get(id(self))
        if seed is None:
            seed = self.seed_generator
        else:
            seed = _FixedSeed(seed)
        return keras.random.dropout(inputs, self.rate, seed=seed)

    def repeatable(self):
        """Draws a seed; returns a function that drops by it.

        The function takes inputs and a number, and drops the same at every
        call with the same number and shape. It is linear, so that it is its
        own gradient. None where nothing is to be dropped.
        """
        if self.rate == 0:
            return None
        seed = _fixed().get(id(self))
        if seed is None:
            seed = self.seed_generator.next()

        def drop(inputs, number: int):
            apart = ops.stack(
                [ops.zeros_like(seed[0]), _times(number, seed, _PART_STRIDE)]
            )
            return keras.random.dropout(
                inputs, self.rate, seed=_FixedSeed(seed + apart)
            )

        return drop

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


def draw_seeds(layer) -> dict:
    """Draws the next seed of every dropout within a layer.

    Args:
        layer: A Keras layer or model.

    Returns:
        The seeds, `(2,)` integers, for `fixed_seeds`.
    """
    held = _fixed()
    # Private to Keras, which has no public walk through inner layers.
    return {
        id(part): held[id(part)]
        if id(part) in held
        else part.seed_generator.next()
        for part in layer._flatten_layers()
        if isinstance(part, Dropout) and part.rate > 0
    }


def fold_in(seeds: dict, number) -> dict:
    """Returns other seeds for each number, and the same ones for 0.

    Args:
        seeds: From `draw_seeds`.
        number: int32 scalar, of a microbatch for example.
    """
    return {
        key: seed
        + ops.stack([ops.zeros_like(seed[0]), _times(number, seed, _STRIDE)])
        for key, seed in seeds.items()
    }


@contextlib.contextmanager
def fixed_seeds(seeds: dict):
    """Inside, these dropouts take these seeds, and draw none.

    It holds for this thread: a strategy has one for each replica. A dropout
    that is called twice inside drops the same both times.
    """
    before = _fixed()
    _LOCAL.fixed = {**before, **seeds}
    try:
        yield
    finally:
        _LOCAL.fixed = before


_LOCAL = threading.local()


def _fixed() -> dict:
    return getattr(_LOCAL, "fixed", {})


def _times(number, seed, stride):
    return ops.cast(number, seed.dtype) * ops.cast(stride, seed.dtype)


class _FixedSeed(keras.random.SeedGenerator):
    """What `keras.random` takes a seed from that is a tensor already."""

    def __init__(self, seed):
        self._seed = seed  # without the variable that others draw from

    def next(self, ordered=True):
        return self._seed


# Of parts within one replica's part of a batch.
_PART_STRIDE = 0x85EBCA6B
_STRIDE = 0x9E3779B1  # 2^32 / golden ratio: seeds of replicas stay far apart


def _replica_id():
    """Returns the number of this replica, int64, 0 without a strategy."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    number = context.replica_id_in_sync_group if context else 0
    return ops.cast(number, "int64")
