"""Trains a tiny model by Muon on N logical CPU devices: see `forked_runs`."""

import keras
import numpy as np
import tensorflow as tf
from forked_runs import fork_each

from gpt_keras import GPTModel
from gpt_keras.config import TrainConfig
from gpt_keras.training.gradients import all_reduce_sum
from gpt_keras.training.gradients import apply_gradients
from gpt_keras.training.loss import weighted_token_losses
from gpt_keras.training.optimizers import make_optimizer
from gpt_keras.training.strategy import choose_strategy

CONFIG = TrainConfig(optimizer="muon", learning_rate=0.01, warmup_steps=2)
ROWS, LENGTH = 8, 12


def make_model(dtype):
    """Returns a compiled model; Keras adds the loss scaling by itself."""
    keras.utils.set_random_seed(0)
    model = GPTModel(50, 16, 2, 32, LENGTH, 0.0, num_layers=1, dtype=dtype)
    model.build((None, LENGTH))
    model.compile(make_optimizer(CONFIG, model))
    model.optimizer.build(model.trainable_variables)
    return model


def make_step(strategy, model):
    """Returns one step on the same batch, spread over the replicas."""
    token_ids, labels = np.random.default_rng(0).integers(
        0, 50, (2, ROWS, LENGTH)
    )
    share = ROWS // strategy.num_replicas_in_sync

    def replica_step():
        context = tf.distribute.get_replica_context()
        first = share * context.replica_id_in_sync_group
        x, y = (
            tf.slice(tf.constant(ids), [first, 0], [share, LENGTH])
            for ids in (token_ids, labels)
        )
        with tf.GradientTape() as tape:
            losses, _ = weighted_token_losses(model(x, training=True), y)
            loss = tf.reduce_sum(losses) / (ROWS * LENGTH)
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_weights)
        apply_gradients(model.optimizer, gradients, model.trainable_weights)
        return all_reduce_sum(loss)

    return tf.function(lambda: strategy.run(replica_step), autograph=False)


def main(replicas=1, dtype="float32", steps=8):
    """Trains; returns losses, a matrix, its slot and what differs."""
    strategy = choose_strategy(replicas)
    with strategy.scope():
        model = make_model(dtype)
    step = make_step(strategy, model)
    losses = [
        float(strategy.experimental_local_results(step())[0])
        for _ in range(steps)
    ]
    kernel = model.blocks[0].attention.query_key_value.kernel
    index = [v.path for v in model.trainable_weights].index(kernel.path)
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return {
        "losses": losses,
        "fused": kernel.numpy().tolist(),
        "momentum": inner.variables[1 + index].numpy().tolist(),
        "replicas_differ": max(
            _spread(strategy, v) for v in (*model.weights, *inner.variables)
        ),
    }


def _spread(strategy, variable) -> float:
    """Returns how far the replicas' copies of a variable are apart."""
    copies = strategy.experimental_local_results(variable.value)
    copies = [copy.numpy().astype("float64") for copy in copies]
    return max(float(abs(copy - copies[0]).max()) for copy in copies)


if __name__ == "__main__":
    fork_each(main)
