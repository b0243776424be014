"""The documents of a split in, batches of similar lengths for `fit` out."""

import numpy as np
import tensorflow as tf

from gpt_keras.data.document_spans import document_spans
from gpt_keras.data.document_spans import read_spans
from gpt_keras.data.length_buckets import LengthBuckets
from gpt_keras.data.packing import to_batch
from gpt_keras.data.pipeline import read_batches
from gpt_keras.data.token_store import TokenSplit


class DocumentBatches:
    """Batches in which each row is a document, or a piece of a long one.

    A row begins with the separator, and the separator behind the document is
    its last label; padding has weight 0. Widths, rows and order are those of
    `LengthBuckets`.

    Args:
        split: The tokens. It is read once, to find the documents.
        length: Longer documents are cut into pieces of this many tokens.
        batch_size: Rows of a batch as wide as that, over all replicas.
        num_buckets: The most widths.
        seed: Draws the order.

    Raises:
        ValueError: As `document_spans` and `LengthBuckets`.

    Example:
        >>> documents = DocumentBatches(
        ...     store.split("train"), length=1024, batch_size=8, seed=0)
        >>> model.fit(documents.steps(0, 2000))
    """

    def __init__(
        self,
        split: TokenSplit,
        *,
        length: int,
        batch_size: int,
        num_buckets: int = 8,
        seed: int = 0,
    ):
        self._split = split
        self._spans = document_spans(split, length)
        self.buckets = LengthBuckets(
            self._spans.counts,
            length=length,
            batch_size=batch_size,
            num_buckets=num_buckets,
            seed=seed,
        )

    def steps(self, start_step: int, num_steps: int) -> tf.data.Dataset:
        """Batches `start_step` to `start_step + num_steps` of a run.

        Returns:
            A dataset of known length, without state. Of its shapes the rank
            alone is static.

        Raises:
            ValueError: A number is negative.
        """
        if start_step < 0 or num_steps < 0:
            raise ValueError(
                "`start_step` and `num_steps` must not be negative. "
                f"Received: start_step={start_step}, num_steps={num_steps}."
            )
        steps = tf.data.Dataset.range(start_step, start_step + num_steps)
        return read_batches(steps, self._read, (None, None))

    def epoch(self, max_batches: int | None = None) -> tf.data.Dataset:
        """Every document once, or as many batches of them, for validation."""
        count = self.buckets.num_batches
        return self.steps(0, min(count, max_batches or count))

    def description(self) -> str:
        """Says in a line how documents and padding come out."""
        buckets, spans = self.buckets, self._spans
        shapes = ", ".join(f"{rows}×{width}" for rows, width in buckets.shapes)
        return (
            f"{len(spans.counts):,} rows of documents ({spans.num_cut:,} of "
            f"which are cut) in {buckets.num_batches:,} batches an epoch "
            f"of {shapes}; {buckets.padding_share:.1%} padding"
        )

    def _read(self, step):
        width, rows = self.buckets.batch(step)
        counts = np.where(rows < 0, 0, self._spans.counts[rows])
        tokens = read_spans(
            self._split, self._spans.starts[rows], counts, width
        )
        return to_batch(tokens, counts)
