"""Trains this project's model, so many steps a repeat."""

import numpy as np
import tensorflow as tf
import worker
from op_profile import profile

from gpt_keras.config import TrainConfig
from gpt_keras.data import pipeline
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.model import GPTModel
from gpt_keras.training.execution import Execution
from gpt_keras.training.optimizers import make_optimizer

_ENDLESS = 10**9  # steps


def make(options):
    """Options: `config`, fields of `TrainConfig`; `vocab_size`; `steps`."""
    config = TrainConfig(
        vocab_size=options["vocab_size"],
        steps=_ENDLESS,
        schedule="constant",
        **options["config"],
    )
    steps = options["steps"]
    model = GPTModel(
        config.vocab_size,
        **config.model_arguments(),
        remat=config.remat,
        dtype=config.dtype,
    )
    model.build((None, None))
    model.compile(make_optimizer(config, model), **config.step_options())
    model.optimizer.build(model.trainable_variables)
    batches = iter(_batches(config))
    execution = Execution(
        model, _ENDLESS, stops=[steps], most=steps, seconds=1e6
    )

    def repeat():
        logs = execution(batches)
        loss = float(logs["loss"])
        tokens = steps * config.batch_size * config.max_length
        return {"units": tokens, "steps": steps, "loss": loss}

    return {
        "tensorflow": tf.__version__,
        "parameters": model.count_params(),
        "dtype": config.dtype,
    }, repeat


def _batches(config):
    ids = worker.random_ids(200_000, config.vocab_size).astype(np.int32)
    return pipeline.training_batches(
        TokenSplit.from_array(ids, vocab_size=config.vocab_size),
        length=config.max_length,
        batch_size=config.batch_size,
        seed=0,
        num_steps=_ENDLESS,
    )


if __name__ == "__main__":
    worker.serve(make, profile)
