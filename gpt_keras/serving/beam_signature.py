"""A model and its tokenizer come in, the signature that searches by beams out.

Every row has its own number of beams; the columns of the answer are as many as
the deployer allows.
"""

import dataclasses

import tensorflow as tf

from gpt_keras.generation.beam_completion import BeamCompleter
from gpt_keras.generation.beam_completion import BeamCompletions
from gpt_keras.generation.beam_settings import BEAM_SPEC
from gpt_keras.generation.beam_settings import MAX_BEAMS
from gpt_keras.generation.beam_settings import BeamSettings
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.serving.signature import Signature
from gpt_keras.serving.signature import strings


def beam_signature(
    model, tokenizer, policy: Policy, defaults: GenerationSettings
) -> Signature:
    """Returns the signature `beam`.

    Args:
        model: A `GPTModel`.
        tokenizer: The tokenizer that it was trained with.
        policy: What holds for every row; its `max_beams`, or else `MAX_BEAMS`,
            is the number of columns.
        defaults: One value each, for the settings that it doesn't take.

    Raises:
        ValueError: The tokenizer has ids that the model doesn't know.
    """
    policy = with_max_beams(policy)
    columns = policy.max_beams
    assert columns is not None
    completer = BeamCompleter(model, tokenizer, policy)

    def function(prompts, max_new_tokens, **beams):
        rows = tf.shape(prompts)
        filled = [tf.broadcast_to(value, rows) for value in defaults]
        settings = GenerationSettings(*filled)
        settings = settings._replace(max_new_tokens=max_new_tokens)
        found = completer.complete(prompts, settings, BeamSettings(**beams))
        return outputs_of(found, columns, tokenizer.end_of_text_id)

    specs = (SETTINGS_SPEC.max_new_tokens, *BEAM_SPEC)
    return Signature(function, (strings("prompts"), *specs))


def with_max_beams(policy: Policy) -> Policy:
    """Returns the policy, with `MAX_BEAMS` where it has no limit."""
    if policy.max_beams is not None:
        return policy
    return dataclasses.replace(policy, max_beams=MAX_BEAMS)


def outputs_of(
    found: BeamCompletions, columns: int, end_of_text_id: int
) -> dict[str, tf.Tensor]:
    """Returns what was found by the names that the signature gives it.

    Args:
        found: With at most as many beams as `columns`.
        columns: How many hypotheses each row has room for.
        end_of_text_id: What tokens are padded with.
    """

    def padded(values, padding=None):
        missing = columns - tf.shape(values)[1]
        rest = [[0, 0]] * (values.ndim - 2)
        padding = tf.zeros([], values.dtype) if padding is None else padding
        wide = tf.pad(
            values, [[0, 0], [0, missing], *rest], constant_values=padding
        )
        return tf.ensure_shape(wide, [None, columns, *[None] * len(rest)])

    return {
        "hypotheses": padded(found.texts),
        "hypotheses_bytes": padded(found.texts_bytes),
        "hypothesis_ids": padded(found.token_ids, end_of_text_id),
        "hypothesis_lengths": padded(found.lengths),
        "scores": padded(found.scores),
        "total_logprobs": padded(found.log_probs),
        "finish_reasons": padded(found.finish_reasons),
        "num_hypotheses": found.counts,
        "prompt_truncated": found.prompt_truncated,
        "error": found.errors,
    }
