"""Model, tokenizer and passages in, what tells them from all others out."""

import hashlib
import json

import numpy as np


def model_identity(model) -> dict:
    """Says which model it is.

    Args:
        model: A `GPTModel`, or what has its `weights` and `get_config`.

    Returns:
        `weights_sha256`, `parameters`, and the `config` without names.
    """
    digest = hashlib.sha256()
    parameters = 0
    for weight in model.weights:
        values = np.asarray(weight)
        digest.update(f"{values.dtype} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).view(np.uint8).data)
        parameters += values.size
    config = {
        name: value
        for name, value in model.get_config().items()
        if name not in ("name", "trainable")
    }
    return {
        "weights_sha256": digest.hexdigest(),
        "parameters": parameters,
        "config": config,
    }


def tokenizer_identity(tokenizer) -> dict:
    """Says which tokenizer it is, by its `kind` and `fingerprint`."""
    return {
        "kind": tokenizer.kind,
        "vocab_size": tokenizer.vocab_size,
        "fingerprint": tokenizer.fingerprint,
    }


def passages_digest(passages) -> str:
    """SHA-256, in hexadecimal, of what is read and scored."""
    digest = hashlib.sha256()
    for passage in passages:
        header = [len(passage.token_ids), passage.num_scored]
        digest.update(json.dumps(header).encode())
        digest.update(np.asarray(passage.token_ids, "<i4").tobytes())
    return digest.hexdigest()
