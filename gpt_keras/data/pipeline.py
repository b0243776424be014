"""The tokens of a split in, batches for `model.fit` out.

A batch is `(token_ids, labels, sample_weight)`, each `(batch, length)`: int32,
int32 and float32. Which one it is depends on (seed, step) alone. On several
hosts each reads its own rows of it, and no others.
"""

import numpy as np
import tensorflow as tf

from gpt_keras.data import packing
from gpt_keras.data.mixing import Mixture
from gpt_keras.data.token_store import TokenSplit

# A dataset's functions have no Python to translate, which takes seconds.
_as_it_is = tf.autograph.experimental.do_not_convert


def training_batches(
    split: TokenSplit,
    *,
    length: int,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    num_steps: int,
    mixture: Mixture | None = None,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Batches `start_step` to `start_step + num_steps` of a training run.

    The run goes through the epochs of `packing.window_starts`, each source by
    epochs of its own, without end. A
    dataset that begins in mid-run gives what the whole run would have given
    from there on, and begins at once.

    Args:
        split: The tokens to train on.
        length: Tokens in a window.
        batch_size: Windows in a batch, over all replicas.
        seed: Draws the order.
        start_step: Batches that were trained on before.
        num_steps: Batches to give.
        mixture: Where the split is several sources, how to mix them.
        context: Of `distribute_datasets_from_function`: the rows of this
            host's replicas only, a dataset's element for each of them.

    Returns:
        A dataset of known length and static shapes. It has no state: each
        iteration over it gives the same batches.

    Raises:
        ValueError: The split is shorter than one window, or a number is out
            of range.

    Example:
        >>> batches = training_batches(
        ...     store.split("train"), length=64, batch_size=12, seed=0,
        ...     num_steps=2000)
        >>> model.fit(batches)
    """
    _check_positive(length=length, batch_size=batch_size)
    if start_step < 0 or num_steps < 0:
        raise ValueError(
            "`start_step` and `num_steps` must not be negative. "
            f"Received: start_step={start_step}, num_steps={num_steps}."
        )
    mixture = mixture or Mixture((split.num_tokens,), (1,))
    for size in mixture.sizes:
        packing.num_windows(size, length)  # raises where it is short

    @_as_it_is
    def starts(indices):
        return mixture.window_starts(indices, length=length, seed=seed)

    def read(starts):
        tokens = split.read(starts, length + 1)
        return packing.to_batch(tokens, np.full(len(starts), length))

    indices = _row_numbers(start_step, num_steps, batch_size, context)
    shape = (indices.element_spec.shape[0], length)
    return read_batches(indices.map(starts), read, shape)


def validation_batches(
    split: TokenSplit,
    *,
    length: int,
    batch_size: int,
    max_batches: int | None = None,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """A split from its beginning to its end, in windows without overlap.

    Every token but the first is a label exactly once, with weight 1. The
    last window and the last batch are filled up with weight 0.

    Args:
        split: The tokens to validate on.
        length: Tokens in a window.
        batch_size: Windows in a batch, over all replicas.
        max_batches: Stops after so many batches.
        context: As in `training_batches`.

    Returns:
        A dataset of known length and static shapes, without state.

    Raises:
        ValueError: The split has fewer than 2 tokens, or a number is out of
            range.
    """
    _check_positive(length=length, batch_size=batch_size)
    if max_batches is not None:
        _check_positive(max_batches=max_batches)
    num_tokens = split.num_tokens
    if num_tokens < 2:
        raise ValueError(
            f"Validation needs 2 tokens or more. Received: {num_tokens}."
        )
    num_batches = -(-(num_tokens - 1) // (length * batch_size))
    if max_batches is not None:
        num_batches = min(num_batches, max_batches)

    def read(windows):
        counts = packing.label_counts(
            windows, num_tokens=num_tokens, length=length
        )
        tokens = np.zeros((len(windows), length + 1), np.int32)
        for row, window, count in zip(tokens, windows, counts, strict=True):
            if count:
                row[: count + 1] = split.read([window * length], count + 1)
        return packing.to_batch(tokens, counts)

    windows = _row_numbers(0, num_batches, batch_size, context)
    shape = (windows.element_spec.shape[0], length)
    return read_batches(windows, read, shape)


def _check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"`{name}` must be positive. Received: {size}.")


def _row_numbers(start_step: int, num_steps: int, batch_size: int, context):
    """Returns a dataset of the numbers of rows, from 0, that are read together.

    Without a context those of a whole batch, `(batch,)`.

    Raises:
        ValueError: A batch can't be cut into equal parts for the replicas.
    """
    if context is None:
        first = start_step * batch_size
        last = (start_step + num_steps) * batch_size
        rows = tf.data.Dataset.range(first, last)
        return rows.batch(batch_size, drop_remainder=True)
    replicas = context.num_replicas_in_sync // context.num_input_pipelines
    size = context.get_per_replica_batch_size(batch_size)
    first_part = context.input_pipeline_id * replicas

    @_as_it_is
    def rows_of(number):  # of a part among those of this host
        step, replica = number // replicas, number % replicas
        start = step * batch_size + (first_part + replica) * size
        return start + tf.range(size, dtype=tf.int64)

    first, last = start_step * replicas, (start_step + num_steps) * replicas
    return tf.data.Dataset.range(first, last).map(rows_of)


def read_batches(places: tf.data.Dataset, read, shape) -> tf.data.Dataset:
    """Maps `read` over batches of positions, with static shapes and options."""

    @_as_it_is
    def fetch(positions):
        triple = tf.numpy_function(
            read, [positions], (tf.int32, tf.int32, tf.float32)
        )
        return tuple(tf.ensure_shape(tensor, shape) for tensor in triple)

    options = tf.data.Options()
    options.deterministic = True
    # By file, the default, can't be done; DATA gives every host its share.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return places.map(fetch).prefetch(tf.data.AUTOTUNE).with_options(options)
