"""The documents of a split in, batches of whole documents for `fit` out."""

import tensorflow as tf

from gpt_keras.data.batch_layout import read_layout
from gpt_keras.data.best_fit import BestFitRows
from gpt_keras.data.document_spans import document_spans
from gpt_keras.data.length_buckets import LengthBuckets
from gpt_keras.data.pipeline import read_batches
from gpt_keras.data.response_loss import ResponseLoss
from gpt_keras.data.token_store import TokenSplit

ARRANGEMENTS = ("length_buckets", "best_fit")


class DocumentBatches:
    """Batches whose rows begin where documents do.

    A document begins with the separator, and the separator behind it is its
    last label; padding has weight 0.

    Args:
        split: The tokens. It is read once, to find the documents.
        length: Longer documents are cut into pieces of this many tokens.
        batch_size: Rows of a batch as wide as that, over all replicas.
        arrangement: `"length_buckets"`: a document in a row, with others about
            as long (`LengthBuckets`); `"best_fit"`: as many as fit into rows
            of `length` (`BestFitRows`).
        num_buckets: The most widths of `"length_buckets"`.
        seed: Draws the order.
        loss: Where the documents are prompts with responses: what to learn of
            them. None: everything.

    Raises:
        ValueError: As `document_spans` and the two, there is no such
            arrangement, or a prompt with its response is longer than `length`.

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
        arrangement: str = "length_buckets",
        num_buckets: int = 8,
        seed: int = 0,
        loss: ResponseLoss | None = None,
    ):
        if arrangement not in ARRANGEMENTS:
            raise ValueError(
                f"`arrangement` must be one of {ARRANGEMENTS}. Received: "
                f"arrangement={arrangement!r}."
            )
        self._split = split
        self._spans = document_spans(split, length)
        self._loss = loss
        if loss is not None and self._spans.num_cut:
            raise ValueError(
                "Prompts with their responses must fit into `length`: prepare "
                "them for it. Received: "
                f"{self._spans.num_cut} that are longer than {length} tokens."
            )
        counts, is_first, _ = self._spans[1:]
        sizes = {"length": length, "batch_size": batch_size, "seed": seed}
        if arrangement == "best_fit":
            self.plan: BestFitRows | LengthBuckets = BestFitRows(
                counts, is_first, **sizes
            )
        else:
            self.plan = LengthBuckets(counts, num_buckets=num_buckets, **sizes)
        shapes = self.plan.shapes
        self._shape = shapes[0] if len(shapes) == 1 else (None, None)

    def steps(
        self,
        start_step: int,
        num_steps: int,
        context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Batches `start_step` to `start_step + num_steps` of a run.

        Args:
            start_step: Batches that were trained on before.
            num_steps: Batches to give.
            context: As of `pipeline.training_batches`.

        Returns:
            A dataset of known length, without state. Its shapes are static
            where there is only one.

        Raises:
            ValueError: A number is negative.
        """
        if start_step < 0 or num_steps < 0:
            raise ValueError(
                "`start_step` and `num_steps` must not be negative. "
                f"Received: start_step={start_step}, num_steps={num_steps}."
            )
        if context is None:
            steps = tf.data.Dataset.range(start_step, start_step + num_steps)
            return read_batches(steps, self._read, self._shape)
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        parts = tf.data.Dataset.range(
            start_step * replicas, (start_step + num_steps) * replicas
        )

        def read(number):
            step, replica = divmod(int(number), replicas)
            replica += context.input_pipeline_id * replicas
            return self._read_part(step, replica, context)

        rows, width = self._shape
        if rows is not None:
            rows = context.get_per_replica_batch_size(rows)
        return read_batches(parts, read, (rows, width))

    def epoch(
        self,
        max_batches: int | None = None,
        context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Every document once, or as many batches of them, for validation."""
        count = self.plan.num_batches
        return self.steps(0, min(count, max_batches or count), context)

    def description(self) -> str:
        """Says in a line how documents and padding come out."""
        plan, spans = self.plan, self._spans
        shapes = ", ".join(f"{rows}×{width}" for rows, width in plan.shapes)
        return (
            f"{int(spans.is_first.sum()):,} documents ({spans.num_cut:,} of "
            f"them cut) in {plan.num_batches:,} batches an epoch of {shapes}; "
            f"{plan.padding_share:.1%} padding"
        )

    def _read(self, step):
        layout = self.plan.layout(step)
        return read_layout(self._split, self._spans, layout, self._loss)

    def _read_part(self, step, replica, context):
        """Reads the rows of one replica."""
        batch = self._read(step)
        size = context.get_per_replica_batch_size(len(batch[0]))
        rows = slice(replica * size, (replica + 1) * size)
        return tuple(values[rows] for values in batch)
