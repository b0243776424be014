"""Settings come in, the same with a seed in place of every -1 go out."""

import secrets

import numpy as np
import tensorflow as tf

from gpt_keras.generation.settings import SEED_LIMIT
from gpt_keras.generation.settings import GenerationSettings


def with_drawn_seeds(settings: GenerationSettings) -> GenerationSettings:
    """Puts a seed in place of every -1, in a graph.

    Below `SEED_LIMIT`. TensorFlow refuses to draw where operations must be
    deterministic.
    """
    seeds = settings.seed
    is_open = seeds == -1

    def draw():
        drawn = tf.raw_ops.RandomUniformInt(
            shape=tf.shape(seeds),
            minval=tf.constant(0, tf.int64),
            maxval=tf.constant(SEED_LIMIT, tf.int64),
        )
        return tf.where(is_open, drawn, seeds)

    return settings._replace(
        seed=tf.cond(tf.reduce_any(is_open), draw, lambda: tf.identity(seeds))
    )


def with_host_seeds(settings: GenerationSettings) -> GenerationSettings:
    """Draws seeds for rows without one, outside the graph.

    TensorFlow doesn't where it must be deterministic.

    Args:
        settings: NumPy arrays `(batch,)`.
    """
    seeds = [
        secrets.randbelow(SEED_LIMIT) if seed == -1 else seed
        for seed in settings.seed.tolist()
    ]
    return settings._replace(seed=np.array(seeds, np.int64))
