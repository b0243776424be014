"""A configuration in, batches of random tokens by the real pipeline out."""

import numpy as np
import tensorflow as tf

from gpt_keras.data import pipeline
from gpt_keras.data.token_store import TokenSplit

# Windows of the random corpus: epochs change now and then, as in a real run.
_BATCHES = 8


def synthetic_batches(
    config, vocab_size: int, first_step: int, num_steps: int
) -> tf.data.Dataset:
    """Returns batches as `tools.train` reads them, of a corpus in memory.

    Args:
        config: `TrainConfig`.
        vocab_size: Of the tokenizer.
        first_step: Batches that were trained on before.
        num_steps: Batches to give.
    """
    count = _BATCHES * config.batch_size * config.max_length + 1
    ids = np.random.default_rng(0).integers(0, vocab_size, count, np.int32)
    return pipeline.training_batches(
        TokenSplit.from_array(ids, vocab_size=vocab_size),
        length=config.max_length,
        batch_size=config.batch_size,
        seed=config.seed,
        start_step=first_step,
        num_steps=num_steps,
    )
