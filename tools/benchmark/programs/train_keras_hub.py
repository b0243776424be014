"""Trains KerasHub's GPT-2 by `train_on_batch`-free `fit`, as its users do."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf
import worker


def make(options):
    """Options: `config`, fields of `TrainConfig`; `vocab_size`; `steps`."""
    config, steps = options["config"], options["steps"]
    vocab_size, length = options["vocab_size"], config["max_length"]
    keras.config.set_dtype_policy(config.get("dtype", "float32"))
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=vocab_size,
        num_layers=config["num_layers"],
        num_heads=config["num_heads"],
        hidden_dim=config["d_model"],
        intermediate_dim=config["dff"],
        dropout=config.get("rate", 0.0),
        max_sequence_length=length,
    )
    model = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            1e-3, weight_decay=0.1, global_clipnorm=1.0
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    ids = worker.random_ids(200_000, vocab_size).astype(np.int32)
    rows = tf.data.Dataset.range(2**40).map(
        lambda i: tf.random.stateless_uniform(
            (), [0, i], 0, len(ids) - length - 1, tf.int64
        )
    )
    data = tf.constant(ids)

    def example(start):
        window = data[start : start + length + 1]
        inputs = {
            "token_ids": window[:-1],
            "padding_mask": tf.ones([length], tf.bool),
        }
        return inputs, window[1:]

    batches = (
        rows.map(example)
        .batch(config["batch_size"], drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )

    def repeat():
        history = model.fit(batches, steps_per_epoch=steps, verbose=0)
        tokens = steps * config["batch_size"] * length
        loss = float(history.history["loss"][-1])
        return {"units": tokens, "steps": steps, "loss": loss}

    return {
        "keras_hub": keras_hub.__version__,
        "tensorflow": tf.__version__,
        "parameters": model.count_params(),
        "jit_compile": model.jit_compile,
    }, repeat


if __name__ == "__main__":
    worker.serve(make)
