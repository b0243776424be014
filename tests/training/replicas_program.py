"""Trains a tiny model on N logical CPU devices: see `forked_runs`."""

import keras
import numpy as np
import tensorflow as tf
from forked_runs import fork_each
from step_losses import StepLosses

from gpt_keras import GPTModel
from gpt_keras.data.document_batches import DocumentBatches
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.layers.lora import enable_lora
from gpt_keras.training.strategy import choose_strategy

SEPARATOR = 0
OPTIMIZERS = {
    "adamw": lambda: keras.optimizers.AdamW(
        1e-2, weight_decay=0.1, global_clipnorm=0.05
    ),
    "muon": lambda: keras.optimizers.Muon(1e-2),
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.05),
}


def batches(bad_step, rows=64):
    """Batches of 8 rows with unequal weights, the first rows without."""
    rng = np.random.default_rng(0)
    token_ids, labels = rng.integers(0, 50, (2, rows, 12)).astype("int32")
    weight = (rng.random((rows, 12)) < 0.5).astype("float32")
    weight[0:4] = 0  # the first replica of two has nothing to learn from
    if bad_step is not None:
        weight[8 * bad_step] = np.nan
    data = (token_ids, labels, weight)
    return tf.data.Dataset.from_tensor_slices(data).batch(8)


def document_batches():
    """Batches of two shapes, some with rows of padding only."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 16, 40)
    ids = rng.integers(1, 50, sizes.sum() + len(sizes))
    ids[np.cumsum(sizes)] = SEPARATOR
    split = TokenSplit.from_array(ids, vocab_size=50, end_of_text_id=SEPARATOR)
    documents = DocumentBatches(split, length=12, batch_size=8, num_buckets=2)
    return documents.epoch()


def main(
    replicas=1,
    optimizer="adamw",
    rate=0.0,
    bad_step=None,
    loss=None,
    rows=64,
    dtype="float32",
    lora_rank=0,
    documents=False,
    **options,
):
    """Trains two epochs; returns losses, an evaluation and a weight."""
    strategy = choose_strategy(replicas)
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = GPTModel(
            50,
            16,
            2,
            32,
            12,
            rate,
            num_layers=2 if lora_rank else 1,  # a matrix moves little
            dtype=dtype,
            document_separator_id=SEPARATOR if documents else None,
        )
        model.build((None, 12))
        if lora_rank:
            enable_lora(model, lora_rank, seed=0)
        if loss:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(OPTIMIZERS[optimizer](), loss=loss, **options)
    data = document_batches() if documents else batches(bad_step, rows)
    steps = StepLosses()
    model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[steps])
    return {
        "losses": steps.losses,
        "evaluated": model.evaluate(batches(None), verbose=0),
        "iterations": int(model.optimizer.iterations.numpy()),
        "skipped": int(model.step_state.num_skipped.numpy()),
        "weight": model.blocks[-1].expand.kernel.numpy().tolist(),
        "dropped": _dropped(strategy, model) if rate else None,
    }


def _dropped(strategy, model):
    """Which of ones each replica dropped."""

    @tf.function(autograph=False)
    def drop():
        return strategy.run(lambda: model.dropout(tf.ones([64]), training=True))

    masks = strategy.experimental_local_results(drop())
    return [(mask.numpy() == 0).tolist() for mask in masks]


if __name__ == "__main__":
    fork_each(main)
