"""Data: documents in, batches of (token_ids, labels, sample_weight) out."""
