"""A model and its tokenizer come in, the signatures that read and write nothing
out: vectors of texts, and choices among texts.
"""

import tensorflow as tf

from gpt_keras.generation.choosing import choose
from gpt_keras.generation.embedding import embed
from gpt_keras.generation.policy import Policy
from gpt_keras.serving.signature import Signature
from gpt_keras.serving.signature import strings


def embed_signature(model, tokenizer, policy: Policy) -> Signature:
    """Returns the signature `embed`.

    Args:
        model: A `GPTModel`.
        tokenizer: The tokenizer that it was trained with.
        policy: What holds for every row.
    """

    def function(texts, normalize):
        made = embed(model, tokenizer, texts, normalize, policy)
        return {
            "embeddings": made.embeddings,
            "num_tokens": made.lengths,
            "text_truncated": made.is_truncated,
            "error": made.errors,
        }

    return Signature(function, (strings("texts"), _booleans("normalize")))


def choose_signature(model, tokenizer, policy: Policy) -> Signature:
    """Returns the signature `choose`; see `embed_signature`."""

    def function(prompts, choices, per_token):
        made = choose(model, tokenizer, prompts, choices, per_token, policy)
        return {
            "choice": made.texts,
            "choice_index": made.best,
            "num_choices": made.counts,
            "choice_lengths": made.lengths,
            "choice_logprobs": made.log_probs,
            "error": made.errors,
        }

    inputs = strings("prompts"), strings("choices"), _booleans("per_token")
    return Signature(function, inputs)


def _booleans(name):
    return tf.TensorSpec([None], tf.bool, name)
