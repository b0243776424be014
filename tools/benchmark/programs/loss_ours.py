"""Trains this project's model on characters for a whole run, and validates."""

import time

import tensorflow as tf
import worker

from gpt_keras.config import TrainConfig
from gpt_keras.data import pipeline
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.training.execution import Execution
from gpt_keras.training.run_start import make_model
from gpt_keras.training.run_start import prepare_training


def make(options):
    """Options: `config`, fields of `TrainConfig`; `text`, a file; `seed`."""
    train, validation, vocab_size = worker.characters(options["text"])
    config = TrainConfig(seed=options["seed"], **options["config"])
    model = make_model(config, vocab_size)
    prepare_training(config, model)
    batches = iter(
        pipeline.training_batches(
            TokenSplit.from_array(train, vocab_size=vocab_size),
            length=config.max_length,
            batch_size=config.batch_size,
            seed=config.seed,
            num_steps=config.steps + 1,
        )
    )
    execution = Execution(
        model, config.steps, at=[1], most=config.steps, seconds=1e6
    )
    _compile(model, lambda: execution(batches))

    def repeat():
        began = time.perf_counter()
        while int(model.optimizer.iterations) < config.steps:
            execution(batches)
        trained = time.perf_counter()
        loss = _loss(model, *worker.windows(validation, config.max_length))
        return {
            "units": 1,
            "seconds": trained - began,
            "apart_seconds": time.perf_counter() - trained,
            "steps": config.steps,
            "val_loss": loss,
        }

    return {
        "tensorflow": tf.__version__,
        "parameters": model.count_params(),
        "optimizer": config.optimizer,
    }, repeat


def _compile(model, take_step):
    """Takes a step, and takes it back."""
    variables = [*model.variables, *model.optimizer.variables]
    variables = {id(x): x for x in variables}.values()
    before = [x.numpy() for x in variables]
    take_step()
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def _loss(model, inputs, labels):
    @tf.function(autograph=False)
    def losses(inputs, labels):
        logits = model(inputs, training=False)
        return tf.reduce_sum(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        )

    total = 0.0
    for begin in range(0, len(inputs), 64):
        part = slice(begin, begin + 64)
        total += float(losses(inputs[part], labels[part]))
    return total / labels.size


if __name__ == "__main__":
    worker.serve(make)
