"""Prompts and a list of choices for each come in, the likeliest choice of each
comes out.
"""

from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.row_errors import no_errors
from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.scoring import score
from gpt_keras.generation.setting_values import SEPARATOR

MAX_CHOICES = 32  # of one row; each is read with the row's prompt


class Choices(NamedTuple):
    """Which choices a model finds the likeliest.

    Attributes:
        best: `(batch,)` int32, the index of the likeliest choice, the first
            of equal ones; -1 for a row with an error.
        texts: `(batch,)` strings, that choice; empty for a row with an error.
        counts: `(batch,)` int32, how many choices each row has.
        lengths: `(batch, most)` int32, the tokens of each choice.
        log_probs: `(batch, most)` float32, the natural logarithm of each
            choice's probability after the prompt; 0 beyond `counts`.
        errors: `(batch,)` strings: of a row that is invalid, the rule and
            what came; empty for the others.
    """

    best: Any
    texts: Any
    counts: Any
    lengths: Any
    log_probs: Any
    errors: Any


@dataclass(frozen=True)
class ChoiceResult:
    """Which of several texts a model finds the likeliest after a prompt.

    Attributes:
        text: The likeliest one.
        index: Its index among the choices.
        log_probs: The natural logarithm of each choice's probability.
        num_tokens: The tokens of each choice.
    """

    text: str
    index: int
    log_probs: tuple[float, ...]
    num_tokens: tuple[int, ...]


def choice_results(made: Choices) -> list[ChoiceResult]:
    """Returns each row as Python has it, of rows without errors."""
    columns = tf.nest.map_structure(lambda x: x.numpy().tolist(), made)
    return [
        ChoiceResult(
            text.decode(), best, tuple(log_probs[:count]), tuple(n[:count])
        )
        for best, text, count, n, log_probs, _ in zip(*columns, strict=True)
    ]


def choose(
    model,
    tokenizer,
    prompts,
    choices,
    per_token,
    policy: Policy = NO_POLICY,
) -> Choices:
    """Finds the likeliest of each row's choices, inside a graph.

    Prompt and choice are cut into tokens each for itself, as `score` does: a
    choice that follows on a word begins with a space.

    Args:
        model: As for `score`.
        tokenizer: The tokenizer that it was trained with.
        prompts: Strings `(batch,)` of at least one row.
        choices: Strings `(batch,)`, those of each row joined by `SEPARATOR`:
            from 1 to `MAX_CHOICES`, none of them empty.
        per_token: `(batch,)` boolean, whether to divide log-probabilities by
            the choices' tokens before they are compared, so that long choices
            have no disadvantage.
        policy: Its `max_prompt_bytes` holds for prompts and for each choice.

    Returns:
        `Choices`.
    """
    # `split` drops nothing with a separator, and gives one text for none.
    texts = tf.strings.split(choices, SEPARATOR)
    counts = tf.cast(texts.row_lengths(), tf.int32)
    errors = _errors(choices, texts, counts)
    texts = tf.ragged.boolean_mask(
        texts,
        tf.RaggedTensor.from_row_splits(
            tf.repeat(errors == "", texts.row_lengths()), texts.row_splits
        ),
    )
    # An empty row more, as there must be one.
    scores = score(
        model,
        tokenizer,
        tf.concat([tf.gather(prompts, texts.value_rowids()), [""]], 0),
        tf.concat([texts.flat_values, [""]], 0),
        policy,
    )
    scores = tf.nest.map_structure(
        lambda values: texts.with_flat_values(values[:-1]),
        scores._replace(token_ids=(), logprobs=()),
    )
    errors = _first_errors(errors, scores.errors)
    is_valid = errors == ""
    log_probs = scores.total_logprobs.to_tensor()
    lengths = scores.lengths.to_tensor()
    counts = tf.where(is_valid, tf.cast(texts.row_lengths(), tf.int32), 0)
    is_choice = tf.sequence_mask(counts, tf.shape(log_probs)[1])
    best = _best(log_probs, lengths, is_choice, per_token)
    return Choices(
        best=tf.where(is_valid, best, -1),
        texts=_texts_at(texts, best, is_valid),
        counts=counts,
        lengths=tf.where(is_choice, lengths, 0),
        log_probs=tf.where(is_choice, log_probs, 0.0),
        errors=errors,
    )


def _errors(choices, texts, counts):
    shortest = tf.reduce_min(tf.strings.length(texts), 1)
    rule = "`choices` must be texts that are not empty, joined by U+001F"
    errors = with_error(no_errors(choices), shortest > 0, rule, choices)
    rule = f"`choices` must be at most {MAX_CHOICES} texts"
    return with_error(errors, counts <= MAX_CHOICES, rule, counts)


def _first_errors(errors, found):
    """Returns of each row its error, or else the first one of its choices."""
    found = tf.ragged.boolean_mask(found, found != "")[:, :1]
    found = tf.squeeze(found.to_tensor("", shape=[None, 1]), 1)
    found = tf.strings.regex_replace(found, "^`texts`", "Each of `choices`")
    return tf.where(errors == "", found, errors)


def _best(log_probs, lengths, is_choice, per_token):
    tokens = tf.cast(tf.maximum(lengths, 1), tf.float32)
    divisors = tf.where(per_token[:, None], tokens, 1.0)
    scores = tf.where(is_choice, log_probs / divisors, -float("inf"))
    # With one column more there always is one.
    scores = tf.pad(scores, [[0, 0], [0, 1]], constant_values=-float("inf"))
    return tf.argmax(scores, 1, tf.int32)


def _texts_at(texts, places, is_valid):
    dense = tf.pad(texts.to_tensor(""), [[0, 0], [0, 1]], constant_values="")
    chosen = tf.gather(dense, places, batch_dims=1)
    chosen = tf.strings.unicode_transcode(chosen, "UTF-8", "UTF-8")
    return tf.where(is_valid, chosen, "")
