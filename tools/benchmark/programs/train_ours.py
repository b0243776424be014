"""Trains this project's model, so many steps a repeat."""

import os

import worker

# Or the GPU's memory would be taken at once, and others share it.
os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"

import gpu  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from op_profile import profile  # noqa: E402

from gpt_keras.config import TrainConfig  # noqa: E402
from gpt_keras.data import pipeline  # noqa: E402
from gpt_keras.data.token_store import TokenSplit  # noqa: E402
from gpt_keras.model import GPTModel  # noqa: E402
from gpt_keras.training.execution import Execution  # noqa: E402
from gpt_keras.training.optimizers import make_optimizer  # noqa: E402

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
        figures = {"units": tokens, "steps": steps, "loss": loss}
        return {**figures, **_gpu_memory()}

    return {
        "tensorflow": tf.__version__,
        "dtype": config.dtype,
        **gpu.model_facts(_device(), model, options["config"]),
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


def _device():
    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        return details.get("device_name", "GPU")
    return "CPU"


def _gpu_memory():
    """Returns the GPU's; without one nothing, which is the process's."""
    if not tf.config.list_physical_devices("GPU"):
        return {}
    memory = tf.config.experimental.get_memory_info("GPU:0")
    return {"peak_bytes": memory["peak"]}


if __name__ == "__main__":
    worker.serve(make, profile)
