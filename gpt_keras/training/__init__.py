"""From batches to weights: the loss, the exact step, checkpoints, `fit`."""
