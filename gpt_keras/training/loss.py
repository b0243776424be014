"""Logits and labels in, the cross-entropy over all tokens out."""

from keras import ops


def weighted_token_losses(
    logits, labels, sample_weight=None, label_smoothing: float = 0.0
):
    """Returns each token's weighted loss and its weight.

    Args:
        logits: `(batch, length, vocab_size)`.
        labels: `(batch, length)` integers in [0, vocab_size). Where the
            weight is 0 any value will do, -100 for example.
        sample_weight: `(batch, length)`, `(batch,)` or None for all 1.
        label_smoothing: Share of the label's probability that is spread over
            the vocabulary.

    Returns:
        Two float32 tensors `(batch, length)`: weight times -log p(label) in
        nats, and the weight.
    """
    weight = token_weights(labels, sample_weight)
    labels = ops.where(weight == 0, ops.zeros_like(labels), labels)
    logits = ops.cast(logits, "float32")
    losses = ops.sparse_categorical_crossentropy(
        labels,
        logits,
        from_logits=True,
    )
    if label_smoothing:
        of_label = ops.take_along_axis(logits, labels[..., None], axis=-1)
        spread = of_label[..., 0] - ops.mean(logits, axis=-1)
        losses += label_smoothing * spread
    return losses * weight, weight


def token_weights(labels, sample_weight=None):
    """Returns float32 weights `(batch, length)` for the labels."""
    if sample_weight is None:
        return ops.ones(ops.shape(labels), dtype="float32")
    weight = ops.cast(sample_weight, "float32")
    if len(weight.shape) == 1:
        weight = weight[:, None]
    return ops.broadcast_to(weight, ops.shape(labels))


def mean_over(total, weight):
    """Returns total / weight, and 0 where nothing has weight."""
    return total / ops.where(weight == 0, ops.ones_like(weight), weight)
