"""Passages in, how likely a model finds each of their tokens out."""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from gpt_keras.evaluation.passages import Passage
from gpt_keras.training.chunked_loss import default_chunk_tokens


class TokenScorer:
    """Scores batches of passages, by one graph for all of their sizes.

    The logits of the scored tokens alone are made, 128 MiB at a time; the
    softmax is in float32. Passages don't see each other or their padding.

    Args:
        model: A `GPTModel`, or what has its `hidden_states` and `logits`.
        vocab_size: Of the tokenizer. Logits beyond it don't count.
        chunk_tokens: Tokens whose logits are there at a time; None: as many
            as take 128 MiB.
    """

    def __init__(self, model, vocab_size: int, chunk_tokens: int | None = None):
        self._model = model
        self._vocab_size = vocab_size
        self._chunk_tokens = chunk_tokens or default_chunk_tokens(vocab_size)
        self._graph = tf.function(
            self._scores,
            input_signature=[
                tf.TensorSpec([None, None], tf.int32),
                tf.TensorSpec([None, None], tf.int32),
                tf.TensorSpec([None, None], tf.bool),
            ],
            autograph=False,
        ).get_concrete_function()

    def __call__(
        self, passages: Sequence[Passage]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Scores one batch.

        Args:
            passages: One or more; their ids must be below `vocab_size`.

        Returns:
            For each passage the natural logarithms of its scored tokens'
            probabilities, `(num_scored,)` float32, and whether each is the
            likeliest token there, `(num_scored,)` boolean.
        """
        lengths = np.array([len(p.token_ids) - 1 for p in passages])
        scored = np.array([p.num_scored for p in passages])
        inputs = np.zeros((len(passages), lengths.max()), np.int32)
        targets = np.zeros_like(inputs)
        for row, (passage, length) in enumerate(
            zip(passages, lengths, strict=True)
        ):
            inputs[row, :length] = passage.token_ids[:-1]
            targets[row, :length] = passage.token_ids[1:]
        places = np.arange(inputs.shape[1])
        is_scored = (places < lengths[:, None]) & (
            places >= (lengths - scored)[:, None]
        )
        tensors = map(tf.constant, (inputs, targets, is_scored))
        flat = [values.numpy() for values in self._graph(*tensors)]
        borders = np.cumsum(scored)[:-1]
        return list(
            zip(*(np.split(values, borders) for values in flat), strict=True)
        )

    def _scores(self, inputs, targets, is_scored):
        """Returns log-probabilities and `is_likeliest`, `(scored tokens,)`."""
        # Without a mask: padding stands behind, where no token looks.
        hidden, _ = self._model.hidden_states(inputs, training=False)
        states = tf.boolean_mask(hidden, is_scored)
        labels = tf.boolean_mask(targets, is_scored)
        size = self._chunk_tokens
        number = -(-tf.shape(labels)[0] // size)
        array = functools.partial(
            tf.TensorArray, size=number, infer_shape=False, element_shape=[None]
        )

        def body(index, *arrays):
            part = slice(index * size, (index + 1) * size)
            scores = self._of_chunk(states[part], labels[part])
            written = [
                array.write(index, values)
                for array, values in zip(arrays, scores, strict=True)
            ]
            return index + 1, *written

        _, *arrays = tf.while_loop(
            lambda index, *_: index < number,
            body,
            (tf.constant(0), array(tf.float32), array(tf.bool)),
            parallel_iterations=1,
        )
        return tuple(array.concat() for array in arrays)

    def _of_chunk(self, states, labels):
        logits = self._model.logits(states)[:, : self._vocab_size]
        logits = tf.cast(logits, tf.float32)
        wanted = tf.gather(logits, labels, batch_dims=1)
        # A log-softmax at one place: no other log-probability is made.
        highest = tf.reduce_max(logits, -1, keepdims=True)
        shares = tf.reduce_sum(tf.exp(logits - highest), -1)
        logprobs = wanted - highest[:, 0] - tf.math.log(shares)
        likeliest = tf.argmax(logits, -1, output_type=tf.int32)
        return logprobs, likeliest == labels
