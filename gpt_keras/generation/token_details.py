"""Logits and drawn tokens come in, what the model thought of them goes out."""

import tensorflow as tf

from gpt_keras.generation.columns import join_columns
from gpt_keras.generation.decoding_state import Context
from gpt_keras.generation.decoding_state import Details
from gpt_keras.generation.decoding_state import Written
from gpt_keras.generation.sampling import TOP_TOKENS
from gpt_keras.generation.sampling import top_log_probabilities


class TokenDetails:
    """Makes `Details`, or `()` where nobody asks for them.

    Args:
        vocab_size: The ids that may be drawn.
        is_on: Whether somebody does.
    """

    def __init__(self, vocab_size: int, is_on: bool):
        self._vocab_size = vocab_size
        self._is_on = is_on

    def of(self, logits, drawn):
        """Returns those of one token in each row."""
        if not self._is_on:
            return ()
        return Details(*top_log_probabilities(logits, drawn))

    def before(self, written: Written | None, context: Context, token_ids):
        """Returns those of rows that go on, by the columns of `token_ids`.

        Args:
            written: What the rows go on from; None for nothing.
            context: What the model was given.
            token_ids: `(batch, width)`, with room for what is to come.
        """
        details = self._none(token_ids)
        if written is None or not self._is_on:
            return details
        starts = context.lengths + written.sent_tokens
        counts = written.lengths - written.sent_tokens
        bits = details.to_bits()
        bits = join_columns(bits, starts, written.held, counts, 0)
        # As wide as `token_ids`, in every batch.
        missing = tf.shape(token_ids)[1] - tf.shape(bits)[1]
        bits = tf.pad(bits, [[0, 0], [0, missing], [0, 0]])
        bits = tf.ensure_shape(bits, [None, None, details.to_bits().shape[-1]])
        return Details.from_bits(bits)

    def _none(self, token_ids):
        if not self._is_on:
            return ()
        batch_size, width = tf.unstack(tf.shape(token_ids))
        top = [batch_size, width, min(TOP_TOKENS, self._vocab_size)]
        return Details(
            logprobs=tf.zeros([batch_size, width]),
            top_token_ids=tf.zeros(top, tf.int32),
            top_logprobs=tf.zeros(top),
        )
