"""A configuration and splits of tokens in, the batches of a run out."""

import functools
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
        lines: Say how the batches come out.
    """

    training: Callable[[int, int], tf.data.Dataset]
    validation: tf.data.Dataset | None
    tokens_per_batch: float
    lines: tuple[str, ...] = ()


def _whole(make, is_endless: bool = True):
    """Gives one host, which is all, the whole of each batch."""
    return make(context=None)


def make_batches(
    config, splits, mixture=None, spread: Callable = _whole, loss=None
) -> RunBatches:
    """Makes batches as `config.batching` says.

    Args:
        config: `TrainConfig`.
        splits: `TokenSplit` by name, `"train"` and maybe `"validation"`.
        mixture: Where the split to train on is several sources, how they are
            mixed; windows can be mixed only.
        spread: `Hosts.spread`, where there are several.
        loss: `ResponseLoss`, where documents are prompts with responses.

    Raises:
        ValueError: A split is too short, or documents are to be mixed.
    """
    if config.batching == "packed":
        return _windows(config, splits, mixture, spread)
    if mixture is not None and len(mixture.sizes) > 1:
        raise ValueError(
            "Several sources can be mixed with `batching='packed'` only. "
            f"Received: batching={config.batching!r}, tokens={config.tokens!r}"
        )
    return _documents(config, splits, spread, loss)


def validation_batches(config, split, spread: Callable = _whole, loss=None):
    """Makes the batches that a split is validated on.

    Args:
        config: `TrainConfig`.
        split: `TokenSplit`.
        spread: As of `make_batches`.
        loss: As there.
    """
    max_batches = config.validation_batches or None
    if config.batching == "packed":
        make = functools.partial(
            pipeline.validation_batches,
            split,
            length=config.max_length,
            batch_size=config.batch_size,
            max_batches=max_batches,
        )
    else:
        documents = _document_batches(config, split, loss)
        make = functools.partial(documents.epoch, max_batches)
    return spread(make, is_endless=False)


def _windows(config, splits, mixture, spread) -> RunBatches:
    def training(first_step, num_steps):
        return spread(
            functools.partial(
                pipeline.training_batches,
                splits["train"],
                length=config.max_length,
                batch_size=config.batch_size,
                seed=config.seed,
                start_step=first_step,
                num_steps=num_steps,
                mixture=mixture,
            )
        )

    training(0, 1)  # a corpus that is too short is told now
    validation = None
    if "validation" in splits:
        validation = validation_batches(config, splits["validation"], spread)
    return RunBatches(
        training, validation, config.batch_size * config.max_length
    )


def _documents(config, splits, spread, loss) -> RunBatches:
    documents = {
        name: _document_batches(config, split, loss)
        for name, split in splits.items()
    }

    def training(first_step, num_steps):
        steps = documents["train"].steps
        return spread(functools.partial(steps, first_step, num_steps))

    validation = None
    if "validation" in documents:
        epoch = documents["validation"].epoch
        max_batches = config.validation_batches or None
        validation = spread(
            functools.partial(epoch, max_batches), is_endless=False
        )
    return RunBatches(
        training,
        validation,
        documents["train"].plan.tokens_per_batch,
        tuple(
            f"{name}: {batches.description()}"
            for name, batches in documents.items()
        ),
    )


def _document_batches(config, split, loss) -> DocumentBatches:
    return DocumentBatches(
        split,
        length=config.max_length,
        batch_size=config.batch_size,
        arrangement=config.batching,
        num_buckets=config.num_buckets,
        seed=config.seed,
        loss=loss,
    )
