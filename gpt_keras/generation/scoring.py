"""Texts come in, how likely a model finds them comes out."""

import math
from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.row_errors import no_errors
from gpt_keras.generation.row_errors import with_error
from gpt_keras.generation.row_errors import with_length_error
from gpt_keras.generation.sampling import log_probabilities


class Scores(NamedTuple):
    """How likely texts are after their prompts.

    Attributes:
        token_ids: `(batch, longest)` int32, the texts' tokens, right-padded
            with the end-of-text id.
        lengths: `(batch,)` int32, tokens of each text.
        logprobs: `(batch, longest)` float32, natural logarithms, right-padded
            with zeros.
        total_logprobs: `(batch,)` float32, their sums.
        bits_per_byte: `(batch,)` float32, of the text's bytes; 0 for an empty
            text.
        errors: `(batch,)` strings: of a row that could not be scored, the
            rule and what came; empty for the others.
    """

    token_ids: Any
    lengths: Any
    logprobs: Any
    total_logprobs: Any
    bits_per_byte: Any
    errors: Any


def score(model, tokenizer, prompts, texts, policy: Policy = NO_POLICY):
    """Gives the log-probability of every token of texts, inside a graph.

    Prompt and text are cut into tokens each for itself. Of a prompt that does
    not fit beside its text the end is used; an empty one stands for the
    beginning of a document.

    Args:
        model: A `GPTModel`, or what has its `max_length`, `hidden_states` and
            `logits`.
        tokenizer: The tokenizer that it was trained with.
        prompts: Strings `(batch,)` of at least one row.
        texts: Strings `(batch,)`. A text must not have more tokens than the
            model's `max_length`.
        policy: Its `max_prompt_bytes` holds for prompts and texts.

    Returns:
        `Scores`.
    """
    errors = no_errors(texts)
    for name, values in (("texts", texts), ("prompts", prompts)):
        errors = with_length_error(
            errors, name, values, policy.max_prompt_bytes
        )
    text_ids, lengths = _tokens(tokenizer, tf.where(errors == "", texts, ""))
    rule = f"`texts` must be at most {model.max_length} tokens long"
    errors = with_error(errors, lengths <= model.max_length, rule, lengths)
    is_valid = errors == ""
    prompt_ids, _ = _tokens(tokenizer, tf.where(is_valid, prompts, ""))
    lengths = tf.where(is_valid, lengths, 0)
    text_ids = tf.RaggedTensor.from_tensor(text_ids.to_tensor(), lengths)
    logprobs = _logprobs(model, tokenizer, prompt_ids, text_ids)
    totals = tf.reduce_sum(logprobs, -1)
    sizes = tf.cast(tf.strings.length(texts), tf.float32)
    return Scores(
        token_ids=text_ids.to_tensor(tokenizer.end_of_text_id),
        lengths=lengths,
        logprobs=logprobs,
        total_logprobs=totals,
        bits_per_byte=-totals / math.log(2) / tf.maximum(sizes, 1),
        errors=errors,
    )


def _tokens(tokenizer, texts):
    token_ids = tokenizer.tokenize(texts)
    return token_ids, tf.cast(token_ids.row_lengths(), tf.int32)


def _logprobs(model, tokenizer, prompt_ids, text_ids):
    """Returns the texts' log-probabilities `(batch, longest)` float32."""
    lengths = tf.cast(text_ids.row_lengths(), tf.int32)
    context = _contexts(prompt_ids, tokenizer.end_of_text_id, model, lengths)
    starts = tf.cast(context.row_lengths(), tf.int32)
    inputs = tf.concat([context, text_ids], 1)
    # What follows the last token does not matter.
    inputs = inputs.to_tensor()[:, : model.max_length]
    hidden, _ = model.hidden_states(
        inputs,
        training=False,
        mask=tf.sequence_mask(starts + lengths - 1, tf.shape(inputs)[1]),
    )
    targets = text_ids.to_tensor()
    places = starts[:, None] - 1 + tf.range(tf.shape(targets)[1])[None]
    places = tf.minimum(places, tf.shape(inputs)[1] - 1)
    logprobs = _in_blocks(model, tokenizer.vocab_size, hidden, places, targets)
    is_text = tf.sequence_mask(lengths, tf.shape(targets)[1])
    return tf.where(is_text, logprobs, 0.0)


def _contexts(prompt_ids, end_of_text_id, model, lengths):
    """Returns the ends of the prompts that fit, at least one token each."""
    is_empty = tf.cast(prompt_ids.row_lengths() == 0, tf.int64)
    beginnings = tf.RaggedTensor.from_row_lengths(
        tf.fill([tf.reduce_sum(is_empty)], end_of_text_id), is_empty
    )
    contexts = tf.concat([beginnings, prompt_ids], 1)
    room = model.max_length + 1 - tf.maximum(lengths, 1)
    counts = contexts.row_lengths()
    kept = tf.minimum(counts, tf.cast(room, tf.int64))
    places = tf.ragged.range(counts - kept, counts)
    return tf.gather(contexts, places, batch_dims=1)


_BLOCK = 128  # positions whose logits stand in memory at a time


def _in_blocks(model, vocab_size, hidden, places, targets):
    """Returns the targets' log-probabilities, few logits at a time."""
    batch_size, length = tf.unstack(tf.shape(targets))
    count = tf.maximum((length + _BLOCK - 1) // _BLOCK, 1)

    def block(index):
        columns = tf.range(
            index * _BLOCK, tf.minimum((index + 1) * _BLOCK, length)
        )
        states = tf.gather(
            hidden, tf.gather(places, columns, axis=1), batch_dims=1
        )
        logits = model.logits(states)[..., :vocab_size]
        wanted = tf.gather(targets, columns, axis=1)
        logprobs = tf.gather(log_probabilities(logits), wanted, batch_dims=2)
        missing = _BLOCK - tf.shape(columns)[0]
        return tf.pad(logprobs, [[0, 0], [0, missing]])

    blocks = tf.map_fn(
        block,
        tf.range(count),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([None, _BLOCK], tf.float32),
    )
    blocks = tf.transpose(blocks, [1, 0, 2])
    return tf.reshape(blocks, [batch_size, count * _BLOCK])[:, :length]
