"""A configuration and splits of tokens in, the batches of a run out."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.data import pipeline
from gpt_keras.data.document_batches import DocumentBatches


class RunBatches(NamedTuple):
    """What a run reads.

    Attributes:
        training: Takes the first step and a number of steps, and gives the
            batches of those steps.
        validation: Batches, or None where there is no such split.
        tokens_per_batch: Tokens in a batch of training, without padding.
    """

    training: Callable[[int, int], tf.data.Dataset]
    validation: tf.data.Dataset | None
    tokens_per_batch: float


def make_batches(config, splits) -> RunBatches:
    """Makes batches as `config.batching` says, and tells how they come out.

    Args:
        config: `TrainConfig`.
        splits: `TokenSplit` by name, `"train"` and maybe `"validation"`.

    Raises:
        ValueError: A split is too short.
    """
    make = _windows if config.batching == "packed" else _documents
    return make(config, splits, config.validation_batches or None)


def _windows(config, splits, max_batches) -> RunBatches:
    sizes = {"length": config.max_length, "batch_size": config.batch_size}

    def training(first_step, num_steps):
        return pipeline.training_batches(
            splits["train"],
            seed=config.seed,
            start_step=first_step,
            num_steps=num_steps,
            **sizes,
        )

    training(0, 1)  # a corpus that is too short is told now
    validation = None
    if "validation" in splits:
        validation = pipeline.validation_batches(
            splits["validation"], max_batches=max_batches, **sizes
        )
    return RunBatches(
        training, validation, config.batch_size * config.max_length
    )


def _documents(config, splits, max_batches) -> RunBatches:
    documents = {
        name: DocumentBatches(
            split,
            length=config.max_length,
            batch_size=config.batch_size,
            arrangement=config.batching,
            num_buckets=config.num_buckets,
            seed=config.seed,
        )
        for name, split in splits.items()
    }
    for name, batches in documents.items():
        print(f"{name}: {batches.description()}")
    validation = None
    if "validation" in documents:
        validation = documents["validation"].epoch(max_batches)
    return RunBatches(
        documents["train"].steps,
        validation,
        documents["train"].plan.tokens_per_batch,
    )
