"""Trains this project's model on Keras's JAX backend, so many steps a repeat.

Run by itself:

    echo repeat | python train_jax.py '{"vocab_size": 65, "steps": 2, …}'
"""

import os

import worker

os.environ["KERAS_BACKEND"] = "jax"
# Or three quarters of the GPU's memory would be taken at once, and a peak
# would say little.
os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
if flags := worker.options().get("xla_flags"):
    os.environ["XLA_FLAGS"] = flags

import functools  # noqa: E402

import gpu  # noqa: E402
import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from jax_loss import mean_loss  # noqa: E402

from gpt_keras.config import TrainConfig  # noqa: E402
from gpt_keras.model import GPTModel  # noqa: E402
from gpt_keras.training.optimizers import make_optimizer  # noqa: E402

_ENDLESS = 10**9  # steps


def make(options):
    """Options: `config`, fields of `TrainConfig`; `vocab_size`; `steps`;
    `chunk_tokens`, whose logits are there at a time (0, the default: all);
    `flash`, whether attention may be the GPU's own kernel (the default);
    `xla_flags`, for the environment.
    """
    if not options.get("flash", True):
        keras.config.disable_flash_attention()
    keras.utils.set_random_seed(0)
    config = TrainConfig(
        vocab_size=options["vocab_size"],
        steps=_ENDLESS,
        schedule="constant",
        **options["config"],
    )
    model = GPTModel(
        config.vocab_size,
        **config.model_arguments(),
        remat=config.remat,
        dtype=config.dtype,
    )
    model.build((None, None))
    state, step = make_step(
        model, make_optimizer(config, model), options.get("chunk_tokens", 0)
    )
    batch = _batches(config)

    def repeat():
        nonlocal state
        for _ in range(options["steps"]):
            state, loss = step(state, batch())
        jax.block_until_ready((state, loss))
        tokens = options["steps"] * config.batch_size * config.max_length
        figures = {"units": tokens, "steps": options["steps"]}
        return {**figures, "loss": float(loss), **_memory()}

    device = jax.local_devices()[0].device_kind
    return {
        "jax": jax.__version__,
        "keras": keras.__version__,
        "dtype": config.dtype,
        **gpu.model_facts(device, model, options["config"]),
    }, repeat


def make_step(model, optimizer, chunk_tokens: int = 0):
    """Returns a training state and the compiled function that steps on.

    The function takes a state, which is gone then, as the values of the
    variables are after the first, and ids `(batch, length + 1)`; it returns
    the next state and the mean loss.
    """
    optimizer.build(model.trainable_variables)

    def loss_of(weights, ids):
        mapping = zip(model.trainable_variables, weights, strict=True)
        with keras.StatelessScope(state_mapping=list(mapping)):
            hidden, _ = model.hidden_states(ids[:, :-1], training=True)
            kernel = model.projection().kernel.value
        rows = hidden.reshape(-1, hidden.shape[-1])
        return mean_loss(rows, kernel, ids[:, 1:].reshape(-1), chunk_tokens)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, ids):
        weights, slots = state
        loss, gradients = jax.value_and_grad(loss_of)(weights, ids)
        return optimizer.stateless_apply(slots, gradients, weights), loss

    variables = model.trainable_variables, optimizer.variables
    return tuple([x.value for x in part] for part in variables), step


def _batches(config):
    data = worker.random_ids(200_000, config.vocab_size).astype(np.int32)
    rng = np.random.default_rng(0)
    window = np.arange(config.max_length + 1)

    def batch():
        starts = rng.integers(0, len(data) - len(window), config.batch_size)
        return data[starts[:, None] + window]

    return batch


def _memory():
    """Returns the GPU's; without one nothing, which is the process's."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" not in statistics:
        return {}
    return {"peak_bytes": statistics["peak_bytes_in_use"]}


if __name__ == "__main__":
    worker.serve(make)
