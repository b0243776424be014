"""Logits and labels in, the cross-entropy over all tokens out."""

from keras import ops


def weighted_token_losses(logits, labels, sample_weight=None):
    """Returns each token's weighted loss and its weight.

    Args:
        logits: `(batch, length, vocab_size)`.
        labels: `(batch, length)` integers in [0, vocab_size). Where the
            weight is 0 any value will do, -100 for example.
        sample_weight: `(batch, length)`, `(batch,)` or None for all 1.

    Returns:
        Two float32 tensors `(batch, length)`: weight times -log p(label) in
        nats, and the weight.
    """
    weight = token_weights(labels, sample_weight)
    labels = ops.where(weight == 0, ops.zeros_like(labels), labels)
    losses = ops.sparse_categorical_crossentropy(
        labels, ops.cast(logits, "float32"), from_logits=True
    )
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
