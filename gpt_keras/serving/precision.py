"""A model comes in, a smaller or faster one goes out, and what that costs."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gpt_keras.layers.lora import merged
from gpt_keras.serving.quantization import quantized_copy
from gpt_keras.training.loss import weighted_token_losses

DTYPES = ("float32", "bfloat16")
QUANTIZATIONS = ("int8",)


def with_precision(
    model, dtype: str | None = None, quantize: str | None = None
):
    """Returns a copy of a model with other numbers inside.

    Whatever is asked for, logits, softmax and normalisations are computed in
    float32. Adapters are merged.

    Args:
        model: A `GPTModel` that is built. It is not changed.
        dtype: `"float32"` or `"bfloat16"`, of weights, computation and
            cache. None leaves them as they are.
        quantize: `"int8"` keeps each weight matrix as 8-bit integers with one
            scale for each output feature, token or position, and turns them
            into `dtype` where they are used; biases and normalisations are of
            `dtype`. None leaves the matrices as they are.

    Returns:
        A model with the same methods and sizes; the model itself where
        nothing is to be changed. It is made to be served, not trained.

    Raises:
        ValueError: `dtype` or `quantize` is none of those, the model isn't
            built, or a weight is not finite and can't be quantized.
    """
    _check_option("dtype", dtype, DTYPES)
    _check_option("quantize", quantize, QUANTIZATIONS)
    if not model.built:
        raise ValueError(
            "A model must be built to be copied: call it on token ids or load "
            f"its weights. Received: {model.name}, which is not built."
        )
    model = merged(model)
    if quantize:
        return quantized_copy(model, dtype)
    if dtype is None or dtype == model.dtype_policy.name:
        return model
    copy = type(model).from_config(model.get_config() | {"dtype": dtype})
    copy.build((None, copy.max_length))
    for weight, source in zip(copy.weights, model.weights, strict=True):
        weight.assign(keras.ops.cast(source, weight.dtype))
    return copy


class LossDifference(NamedTuple):
    """How well two models predict the same tokens, in nats per token.

    Attributes:
        reference_loss: Mean cross-entropy of the first.
        loss: Of the second.
        difference: How much the second is worse.
    """

    reference_loss: float
    loss: float
    difference: float


def loss_difference(reference, candidate, token_ids) -> LossDifference:
    """Compares two models by the loss on the same tokens.

    Args:
        reference: A `GPTModel`.
        candidate: What `with_precision` made of it.
        token_ids: `(rows, length)` int32; each token but the first of a row
            is predicted.

    Raises:
        ValueError: There is nothing to predict, or a row is longer than
            the model's `max_length`.

    Example:

    >>> loss_difference(model, with_precision(model, "bfloat16"), ids)
    LossDifference(reference_loss=1.512, loss=1.513, difference=0.001)
    """
    token_ids = np.asarray(token_ids, np.int32)
    shape = token_ids.shape
    limit = reference.max_length
    if len(shape) != 2 or not shape[0] or not 2 <= shape[1] <= limit:
        raise ValueError(
            "`token_ids` must have at least one row, of 2 to "
            f"max_length={limit} tokens. Received: shape {shape}"
        )
    reference_loss = _loss(reference, token_ids)
    loss = _loss(candidate, token_ids)
    return LossDifference(reference_loss, loss, loss - reference_loss)


_MAX_LOGITS = 2**25  # that stand in memory at a time


def _loss(model, token_ids):
    """Returns the mean cross-entropy of the tokens after the first."""
    rows, length = token_ids.shape
    step = max(_MAX_LOGITS // (length * model.vocab_size), 1)

    @tf.function(
        input_signature=[tf.TensorSpec([None, length], tf.int32)],
        autograph=False,
    )
    def total(ids):
        logits = model(ids[:, :-1], training=False)
        losses, _ = weighted_token_losses(logits, ids[:, 1:])
        return tf.reduce_sum(losses, -1)

    losses = [
        total(tf.constant(token_ids[start : start + step])).numpy()
        for start in range(0, rows, step)
    ]
    return float(np.concatenate(losses).mean(dtype=np.float64) / (length - 1))


def _check_option(name, value, options):
    if value is not None and value not in options:
        raise ValueError(
            f"`{name}` must be one of {list(options)} or None. Received: "
            f"{name}={value!r}"
        )
