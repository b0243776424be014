"""Names of runs in, what each found out: see `forked_runs`."""

import functools

import keras
import numpy as np
import tensorflow as tf
from forked_runs import fork_each
from step_losses import StepLosses
from stock_faults.stock_testing import Stock
from stock_faults.stock_testing import layers_of
from stock_faults.stock_testing import make_batch
from stock_faults.stock_testing import make_model
from stock_faults.stock_testing import stock_loss
from stock_faults.stock_testing import weights_of

from gpt_keras import GPTModel
from gpt_keras.data.pipeline import training_batches
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.layers.dropout import Dropout
from gpt_keras.training.execution import Execution
from gpt_keras.training.strategy import choose_strategy

KINDS = {"stock": Stock, "ours": GPTModel}
STEPS = 4


def fit(kind, strategy, optimizer, rows=8, uneven=False, most=None, **options):
    """Takes `STEPS` steps.

    Args:
        kind: `Stock` or `GPTModel`.
        strategy: Where to.
        optimizer: Makes it.
        rows: Of a batch.
        uneven: Whether the tokens that count are in the second half of each
            batch, but for one.
        most: Steps in an execution, of `Execution`; None for Keras' own.
        **options: Of `compile`.
    """
    if kind is Stock and uneven:
        options["loss"] = stock_loss("mean_with_sample_weight")
    with strategy.scope():
        model = make_model(kind, optimizer(), **options)
        before = weights_of(model)
        if most:
            model.optimizer.build(model.trainable_variables)
            model.train_function = Execution(model, STEPS, most=most)
    losses = StepLosses()
    data = _batches(rows, uneven)
    model.fit(data, verbose=0, callbacks=[losses])
    after = weights_of(model)
    return {
        "losses": losses.losses,
        "weights": after.tolist(),
        "moved": float(np.linalg.norm(after - before)),
    }


def _batches(rows, uneven):
    ids, labels = make_batch(STEPS * rows)
    weight = np.ones(ids.shape, "float32")
    if uneven:
        weight = weight.reshape(STEPS, rows, -1)
        weight[:, : rows // 2] = 0
        weight[:, 0, 0] = 1
        weight = weight.reshape(ids.shape)
    data = tf.data.Dataset.from_tensor_slices((ids, labels, weight))
    return data.batch(rows)


def masks(kind, strategy):
    """What the dropout of each replica leaves of ones."""
    with strategy.scope():
        layer = {Stock: keras.layers.Dropout, GPTModel: Dropout}[kind](0.5)

    @tf.function
    def drop():
        return strategy.run(lambda: layer(tf.ones([64]), training=True))

    results = strategy.experimental_local_results(drop())
    return {"kept": [result.numpy().tolist() for result in results]}


def deterministic(kind, strategy):
    """Whether XLA compiles for a user who asks for determinism as well.

    Which is told by an assertion that fails: XLA drops it.
    """
    tf.config.experimental.enable_op_determinism()
    with strategy.scope():
        model = make_model(kind, jit_compile=True)

    def call(x, training=False):
        wrong = tf.debugging.assert_less(0 * tf.reduce_sum(x), -1.0)
        with tf.control_dependencies([wrong]):
            return tf.identity(x)

    layers_of(model).dropout.call = call
    try:
        model.fit(*make_batch(), verbose=0)
    except tf.errors.InvalidArgumentError:
        return {"compiled": False}
    return {"compiled": True}


def order(kind, strategy):
    """The first token ids of the batches that two epochs see.

    And those which the dataset gives by itself, in as many iterations. Stock:
    `tf.data` shuffles anew in each iteration. Ours: `training_batches`.
    """

    def dataset():
        if kind is Stock:
            data = tf.data.Dataset.range(64).shuffle(64, seed=0)
            return data.batch(8).map(lambda ids: ids[:, None])
        split = TokenSplit.from_array(np.arange(130))
        return training_batches(
            split, length=2, batch_size=8, seed=0, num_steps=8
        ).map(lambda ids, labels, weight: ids)

    with strategy.scope():
        model = Seeing()
        model.compile(keras.optimizers.SGD())
    seen = []
    collect = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(int(logs["id"]))
    )
    model.fit(dataset(), epochs=2, verbose=0, callbacks=[collect])
    data = dataset()
    return {
        "seen": seen,
        "given": [int(ids[0, 0]) for _ in range(2) for ids in data],
    }


class Seeing(keras.Model):
    """Trains nothing, and says which batches it gets."""

    def call(self, x):
        return x

    def train_step(self, data):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        share = tf.cast(
            data[0, 0] * tf.cast(replica == 0, data.dtype), tf.int32
        )
        return {
            "id": tf.distribute.get_replica_context().all_reduce("SUM", share)
        }


def _clipped():
    return keras.optimizers.SGD(1.0, global_clipnorm=0.05)


RUNS = {
    "adam": functools.partial(fit, optimizer=keras.optimizers.Adam),
    "clip": functools.partial(fit, optimizer=_clipped),
    "uneven": functools.partial(
        fit, optimizer=keras.optimizers.SGD, uneven=True
    ),
    "accumulation": functools.partial(
        fit,
        optimizer=lambda: keras.optimizers.Adam(gradient_accumulation_steps=2),
    ),
    "average": functools.partial(
        fit,
        optimizer=lambda: keras.optimizers.Adam(
            use_ema=True, ema_overwrite_frequency=2
        ),
    ),
    "xla": functools.partial(
        fit, optimizer=keras.optimizers.SGD, jit_compile=True
    ),
    "several steps": functools.partial(
        fit, optimizer=keras.optimizers.SGD, steps_per_execution=2
    ),
    "Execution": functools.partial(fit, optimizer=keras.optimizers.SGD, most=2),
    "microbatches": functools.partial(
        fit, optimizer=keras.optimizers.Adam, microbatches=2, ema_decay=0.9
    ),
    "odd": functools.partial(fit, optimizer=keras.optimizers.SGD, rows=7),
    "odd, metrics": functools.partial(
        fit,
        optimizer=keras.optimizers.SGD,
        rows=7,
        metrics=["sparse_categorical_accuracy"],
    ),
    "deterministic, xla": deterministic,
    "masks": masks,
    "order": order,
}


def main(name, kind, replicas):
    """Returns what a run found."""
    return RUNS[name](KINDS[kind], choose_strategy(replicas))


if __name__ == "__main__":
    fork_each(main)
