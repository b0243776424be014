"""A model and its tokenizer come in, the functions that a server calls out.

In all of them the rows of a batch come first and none is optional. A server
merges the rows of strangers into one batch: every row is judged for itself.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.row_errors import no_errors
from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.row_errors import with_length_error
from gpt_keras.generation.scoring import score
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.settings import make_settings
from gpt_keras.generation.text_completion import TextCompleter


class Signature(NamedTuple):
    """A function from named tensors to a dictionary of tensors."""

    function: Callable
    inputs: tuple[tf.TensorSpec, ...]

    def trace(self):
        """Returns the function as a graph, rows checked and counted."""
        names = [spec.name for spec in self.inputs]

        def call(*tensors):
            inputs, batch_size = _checked(
                dict(zip(names, tensors, strict=True))
            )
            outputs = self.function(**inputs)
            return {name: out[:batch_size] for name, out in outputs.items()}

        function = tf.function(call, autograph=False)
        return function.get_concrete_function(*self.inputs)


def make_signatures(
    model, tokenizer, policy: Policy = NO_POLICY, **defaults
) -> dict[str, Signature]:
    """Returns the signatures by their names.

    Args:
        model: A `GPTModel`.
        tokenizer: The tokenizer that it was trained with.
        policy: What holds for every row.
        **defaults: Fields of `GenerationSettings`, one value each: what the
            signatures that don't take a setting use for it.

    Raises:
        ValueError: A default breaks its rule or the policy's, or the
            tokenizer has ids that the model doesn't know.
    """
    values = make_settings(1, **defaults)
    limit = policy.max_new_tokens
    if limit is not None and values.max_new_tokens[0] > limit:
        raise ValueError(
            f"The default of `max_new_tokens` must be at most {limit}, the "
            "limit of the policy. Received: max_new_tokens="
            f"{values.max_new_tokens[0]}"
        )
    return {
        **_completing(model, tokenizer, policy, values),
        "score": _scoring(model, tokenizer, policy),
        "logits": _logits(model, tokenizer),
        **_tokenizing(tokenizer, policy),
    }


def _completing(model, tokenizer, policy, defaults):
    """Returns the signatures that write text."""
    brief = TextCompleter(model, tokenizer, policy)
    detailed = TextCompleter(model, tokenizer, policy, details=True)

    def complete(prompts, **settings):
        rows = tf.shape(prompts)
        filled = [tf.broadcast_to(value, rows) for value in defaults]
        values = GenerationSettings(*filled)._replace(**settings)
        made = brief.complete(prompts, values)
        return {"completions": made.completions}

    def generate(prompts, **settings):
        made = detailed.complete(prompts, GenerationSettings(**settings))
        return {
            "completions": made.completions,
            "completions_bytes": made.completions_bytes,
            "token_ids": made.token_ids,
            "lengths": made.lengths,
            **made.details._asdict(),
            "finish_reason": made.finish_reasons,
            "prompt_truncated": made.prompt_truncated,
            "seed_used": made.seeds,
            "error": made.errors,
        }

    prompts = _strings("prompts")
    some = (SETTINGS_SPEC.max_new_tokens, SETTINGS_SPEC.temperature)
    return {
        "serving_default": Signature(complete, (prompts,)),
        "complete": Signature(complete, (prompts, *some, SETTINGS_SPEC.seed)),
        "generate": Signature(generate, (prompts, *SETTINGS_SPEC)),
    }


def _scoring(model, tokenizer, policy):
    def function(prompts, texts):
        scores = score(model, tokenizer, prompts, texts, policy)
        return {
            "token_ids": scores.token_ids,
            "lengths": scores.lengths,
            "logprobs": scores.logprobs,
            "total_logprob": scores.total_logprobs,
            "bits_per_byte": scores.bits_per_byte,
            "error": scores.errors,
        }

    return Signature(function, (_strings("prompts"), _strings("texts")))


def _logits(model, tokenizer):
    def function(token_ids, lengths):
        errors = _length_errors(token_ids, lengths)
        rule = f"`lengths` must be at most {model.max_length}"
        errors = with_error(errors, lengths <= model.max_length, rule, lengths)
        is_token = tf.sequence_mask(lengths, tf.shape(token_ids)[1])
        is_wrong = (token_ids < 0) | (token_ids >= tokenizer.vocab_size)
        is_wrong &= is_token
        wrong = tf.reduce_min(tf.where(is_wrong, token_ids, _INT_MAX), -1)
        rule = f"`token_ids` must be from 0 to {tokenizer.vocab_size - 1}"
        is_valid = ~tf.reduce_any(is_wrong, -1)
        errors = with_error(errors, is_valid, rule, wrong)
        is_token &= (errors == "")[:, None]
        token_ids = tf.where(is_token, token_ids, tokenizer.end_of_text_id)
        # What a neighbour's padding adds is never a token.
        token_ids = token_ids[:, : model.max_length]
        is_token = is_token[:, : model.max_length]
        logits = model(token_ids, training=False)[..., : tokenizer.vocab_size]
        logits = tf.where(is_token[..., None], logits, 0.0)
        return {"logits": logits, "error": errors}

    return Signature(function, _TOKENS)


def _tokenizing(tokenizer, policy):
    """Returns the signatures from text to token ids and back."""

    def tokenize(texts):
        errors = with_length_error(
            no_errors(texts), "texts", texts, policy.max_prompt_bytes
        )
        token_ids = tokenizer.tokenize(tf.where(errors == "", texts, ""))
        return {
            "token_ids": token_ids.to_tensor(tokenizer.end_of_text_id),
            "lengths": tf.cast(token_ids.row_lengths(), tf.int32),
            "error": errors,
        }

    def detokenize(token_ids, lengths):
        errors = _length_errors(token_ids, lengths)
        lengths = tf.where(errors == "", lengths, 0)
        texts = tokenizer.detokenize(token_ids, lengths)
        return {
            # JSON can't hold what is not UTF-8.
            "texts": tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8"),
            "texts_bytes": texts,
            "error": errors,
        }

    return {
        "tokenize": Signature(tokenize, (_strings("texts"),)),
        "detokenize": Signature(detokenize, _TOKENS),
    }


def _strings(name):
    return tf.TensorSpec([None], tf.string, name)


# A server pads ragged ids with anything, so that their number stands beside.
_TOKENS = (
    tf.TensorSpec([None, None], tf.int32, "token_ids"),
    tf.TensorSpec([None], tf.int32, "lengths"),
)
_INT_MAX = 2**31 - 1


def _length_errors(token_ids, lengths):
    width = tf.shape(token_ids)[1]
    rule = "`lengths` must be from 0 to the number of columns of `token_ids`"
    is_valid = (lengths >= 0) & (lengths <= width)
    return with_error(no_errors(lengths), is_valid, rule, lengths)


def _checked(inputs):
    """Returns inputs of at least one row, and how many rows there were."""
    first = next(iter(inputs))
    batch_size = tf.shape(inputs[first])[0]
    checks = [
        tf.debugging.assert_equal(
            tf.shape(tensor)[0],
            batch_size,
            message=f"`{name}` must have one value for each of `{first}`.",
        )
        for name, tensor in inputs.items()
    ]
    with tf.control_dependencies([check for check in checks if check]):
        missing = tf.cast(batch_size == 0, tf.int32)
        padded = {
            name: _with_empty_rows(tensor, missing)
            for name, tensor in inputs.items()
        }
    return padded, batch_size


def _with_empty_rows(tensor, count):
    shape = tf.concat([[count], tf.shape(tensor)[1:]], 0)
    return tf.concat([tensor, tf.zeros(shape, tensor.dtype)], 0)
