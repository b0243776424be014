"""A model and its tokenizer come in, the functions that a server calls out.

In all of them the rows of a batch come first and none is optional. A server
merges the rows of strangers into one batch: every row is judged for itself.
"""

from collections.abc import Iterable
from collections.abc import Sequence

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
from gpt_keras.generation.tasks import Task
from gpt_keras.generation.text_completion import TextCompleter
from gpt_keras.serving.beam_signature import beam_signature
from gpt_keras.serving.reading_signatures import choose_signature
from gpt_keras.serving.reading_signatures import embed_signature
from gpt_keras.serving.signature import Signature
from gpt_keras.serving.signature import strings
from gpt_keras.serving.streaming_signatures import streaming_signatures
from gpt_keras.serving.task_signatures import check_default
from gpt_keras.serving.task_signatures import task_signatures

SIGNATURES = (
    "serving_default",
    "complete",
    "generate",
    "beam",
    "prefill",
    "step",
    "score",
    "choose",
    "embed",
    "logits",
    "tokenize",
    "detokenize",
)


def make_signatures(
    model,
    tokenizer,
    policy: Policy = NO_POLICY,
    names: Iterable[str] | None = None,
    tasks: Sequence[Task] = (),
    **defaults,
) -> dict[str, Signature]:
    """Returns the signatures by their names.

    Args:
        model: A `GPTModel`.
        tokenizer: The tokenizer that it was trained with.
        policy: What holds for every row.
        names: Of `SIGNATURES`, which to make; None for all. `serving_default`
            is always among them.
        tasks: Each gets a signature of its own, and the first one is
            `serving_default`.
        **defaults: Fields of `GenerationSettings`, one value each: what the
            signatures that don't take a setting use for it.

    Raises:
        ValueError: A default breaks its rule or the policy's, a name is
            unknown, `prefill` and `step` are not together, or the tokenizer
            has ids that the model doesn't know or lacks a special token of a
            task.
    """
    names = choose_signatures(names)
    values = make_settings(1, **defaults)
    check_default(values, policy)
    makers = {
        "serving_default": lambda: _default(model, tokenizer, policy, values),
        "complete": lambda: _complete(model, tokenizer, policy, values),
        "beam": lambda: beam_signature(model, tokenizer, policy, values),
        "score": lambda: _score(model, tokenizer, policy),
        "choose": lambda: choose_signature(model, tokenizer, policy),
        "embed": lambda: embed_signature(model, tokenizer, policy),
        "logits": lambda: _logits(model, tokenizer),
        "tokenize": lambda: _tokenize(tokenizer, policy),
        "detokenize": lambda: _detokenize(tokenizer),
    }
    if tasks:  # the first one is the default
        names = names[1:]
    made = streaming_signatures(model, tokenizer, policy, names)
    made |= {name: make() for name, make in makers.items() if name in names}
    made = {name: made[name] for name in names}
    return made | task_signatures(model, tokenizer, policy, tasks)


def choose_signatures(names: Iterable[str] | None) -> tuple[str, ...]:
    """Checks names of signatures.

    Args:
        names: Of `SIGNATURES`; None for all.

    Returns:
        The names in the order of `SIGNATURES`, `serving_default` first.

    Raises:
        ValueError: One is unknown, or `prefill` and `step` are not together.
    """
    chosen = set(SIGNATURES if names is None else names)
    unknown = sorted(chosen - set(SIGNATURES))
    if unknown:
        raise ValueError(
            f"`signatures` must be of {list(SIGNATURES)}. Received: {unknown}"
        )
    if len(chosen & {"prefill", "step"}) == 1:
        raise ValueError(
            "`signatures` must have both of `prefill` and `step` or none. "
            f"Received: {sorted(chosen)}"
        )
    chosen.add("serving_default")
    return tuple(name for name in SIGNATURES if name in chosen)


def _default(model, tokenizer, policy, defaults):
    complete = _completing(model, tokenizer, policy, defaults)
    return Signature(complete, (strings("prompts"),))


def _complete(model, tokenizer, policy, defaults):
    complete = _completing(model, tokenizer, policy, defaults)
    some = ("max_new_tokens", "temperature", "seed")
    specs = [getattr(SETTINGS_SPEC, name) for name in some]
    return Signature(complete, (strings("prompts"), *specs))


def _completing(model, tokenizer, policy, defaults):
    """Returns a function that writes text, and nothing else."""
    completer = TextCompleter(model, tokenizer, policy)

    def complete(prompts, **settings):
        rows = tf.shape(prompts)
        filled = [tf.broadcast_to(value, rows) for value in defaults]
        values = GenerationSettings(*filled)._replace(**settings)
        made = completer.complete(prompts, values)
        return {"completions": made.completions}

    return complete


def _score(model, tokenizer, policy):
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

    return Signature(function, (strings("prompts"), strings("texts")))


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


def _tokenize(tokenizer, policy):
    def function(texts):
        errors = with_length_error(
            no_errors(texts), "texts", texts, policy.max_prompt_bytes
        )
        token_ids = tokenizer.tokenize(tf.where(errors == "", texts, ""))
        return {
            "token_ids": token_ids.to_tensor(tokenizer.end_of_text_id),
            "lengths": tf.cast(token_ids.row_lengths(), tf.int32),
            "error": errors,
        }

    return Signature(function, (strings("texts"),))


def _detokenize(tokenizer):
    def function(token_ids, lengths):
        errors = _length_errors(token_ids, lengths)
        lengths = tf.where(errors == "", lengths, 0)
        texts = tokenizer.detokenize(token_ids, lengths)
        return {
            # JSON can't hold what is not UTF-8.
            "texts": tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8"),
            "texts_bytes": texts,
            "error": errors,
        }

    return Signature(function, _TOKENS)


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
