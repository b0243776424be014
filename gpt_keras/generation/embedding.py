"""Texts come in, a vector for each comes out: the mean of the model's last
states over the text's tokens.
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.row_errors import no_errors
from gpt_keras.generation.row_errors import with_length_error


class Embeddings(NamedTuple):
    """Vectors of a batch of texts.

    Attributes:
        embeddings: `(batch, d_model)` float32; zeros for an empty text and for
            a row with an error.
        lengths: `(batch,)` int32, the tokens that are in the mean.
        is_truncated: `(batch,)` boolean, whether only the beginning of the
            text fitted into the model.
        errors: `(batch,)` strings: of a row that is invalid, the rule and
            what came; empty for the others.
    """

    embeddings: Any
    lengths: Any
    is_truncated: Any
    errors: Any


def embed(
    model, tokenizer, texts, normalize, policy: Policy = NO_POLICY
) -> Embeddings:
    """Gives the mean-pooled last states of texts, inside a graph.

    The model reads the end-of-text token first, as before every document, and
    then the text. The mean is of the text's tokens alone, after the last
    normalisation. Of a text that does not fit the beginning is read.

    Args:
        model: A `GPTModel`, or what has its `max_length`, `d_model` and
            `hidden_states`.
        tokenizer: The tokenizer that it was trained with.
        texts: Strings `(batch,)` of at least one row.
        normalize: `(batch,)` boolean, whether to divide the vector by its
            Euclidean length.
        policy: Its `max_prompt_bytes` holds.

    Returns:
        `Embeddings`.
    """
    errors = with_length_error(
        no_errors(texts), "texts", texts, policy.max_prompt_bytes
    )
    token_ids = tokenizer.tokenize(tf.where(errors == "", texts, ""))
    counts = tf.cast(token_ids.row_lengths(), tf.int32)
    lengths = tf.minimum(counts, model.max_length - 1)
    token_ids = token_ids.to_tensor()[:, : model.max_length - 1]
    hidden = _states(model, tokenizer.end_of_text_id, token_ids, lengths)
    is_text = tf.sequence_mask(lengths, tf.shape(token_ids)[1])
    total = tf.reduce_sum(tf.where(is_text[..., None], hidden, 0.0), 1)
    means = total / tf.cast(tf.maximum(lengths, 1), tf.float32)[:, None]
    unit = tf.math.divide_no_nan(means, tf.norm(means, axis=-1, keepdims=True))
    return Embeddings(
        embeddings=tf.where(normalize[:, None], unit, means),
        lengths=lengths,
        is_truncated=counts > lengths,
        errors=errors,
    )


def _states(model, first_id, token_ids, lengths):
    """Returns the last states of the texts' tokens, float32."""
    inputs = tf.pad(token_ids, [[0, 0], [1, 0]], constant_values=first_id)
    hidden, _ = model.hidden_states(
        inputs,
        training=False,
        mask=tf.sequence_mask(lengths + 1, tf.shape(inputs)[1]),
    )
    hidden = tf.cast(hidden[:, 1:], tf.float32)
    return tf.ensure_shape(hidden, [None, None, model.d_model])
