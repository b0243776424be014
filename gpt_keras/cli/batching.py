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


def make_batches(config, splits, mixture=None) -> RunBatches:
    """Makes batches as `config.batching` says, and tells how they come out.

    Args:
        config: `TrainConfig`.
        splits: `TokenSplit` by name, `"train"` and maybe `"validation"`.
        mixture: Where the split to train on is several sources, how they are
            mixed; windows can be mixed only.

    Raises:
        ValueError: A split is too short, or documents are to be mixed.
    """
    if config.batching == "packed":
        return _windows(config, splits, mixture)
    if mixture is not None and len(mixture.sizes) > 1:
        raise ValueError(
            "Several sources can be mixed with `batching='packed'` only. "
            f"Received: batching={config.batching!r}, tokens={config.tokens!r}"
        )
    return _documents(config, splits)


def validation_batches(config, split) -> tf.data.Dataset:
    """Makes the batches that a split is validated on.

    Args:
        config: `TrainConfig`.
        split: `TokenSplit`.
    """
    max_batches = config.validation_batches or None
    if config.batching != "packed":
        return _document_batches(config, split).epoch(max_batches)
    return pipeline.validation_batches(
        split,
        length=config.max_length,
        batch_size=config.batch_size,
        max_batches=max_batches,
    )


def _windows(config, splits, mixture) -> RunBatches:
    def training(first_step, num_steps):
        return pipeline.training_batches(
            splits["train"],
            length=config.max_length,
            batch_size=config.batch_size,
            seed=config.seed,
            start_step=first_step,
            num_steps=num_steps,
            mixture=mixture,
        )

    training(0, 1)  # a corpus that is too short is told now
    validation = None
    if "validation" in splits:
        validation = validation_batches(config, splits["validation"])
    return RunBatches(
        training, validation, config.batch_size * config.max_length
    )


def _documents(config, splits) -> RunBatches:
    documents = {
        name: _document_batches(config, split) for name, split in splits.items()
    }
    for name, batches in documents.items():
        print(f"{name}: {batches.description()}")
    validation = None
    if "validation" in documents:
        max_batches = config.validation_batches or None
        validation = documents["validation"].epoch(max_batches)
    return RunBatches(
        documents["train"].steps,
        validation,
        documents["train"].plan.tokens_per_batch,
    )


def _document_batches(config, split) -> DocumentBatches:
    return DocumentBatches(
        split,
        length=config.max_length,
        batch_size=config.batch_size,
        arrangement=config.batching,
        num_buckets=config.num_buckets,
        seed=config.seed,
    )
