"""A model, a tokenizer and a plain loop for the tests of evaluation."""

import functools

import numpy as np
import tensorflow as tf

from gpt_keras.evaluation.evaluator import evaluate
from gpt_keras.evaluation.task import Task
from gpt_keras.model import GPTModel

VOCAB_SIZE = 256


class ByteTokenizer:
    """A token a byte; the byte 0 ends a text."""

    kind, fingerprint, vocab_size, end_of_text_id = "byte", "f", VOCAB_SIZE, 0

    def encode_batch(self, texts):
        return [np.array([*text.encode()], np.int32) for text in texts]


class FakeModel:
    """Its states are exact hashes of all tokens so far and their places."""

    vocab_size = VOCAB_SIZE
    weights = ()

    def __init__(self, max_length=16):
        self.max_length = max_length

    def get_config(self):
        return {"max_length": self.max_length}

    def hidden_states(self, token_ids, training=None):
        places = tf.range(1, tf.shape(token_ids)[1] + 1)
        hashes = tf.cumsum((token_ids + 3) * places, axis=1) % 1009
        return tf.cast(hashes, tf.float32)[:, :, None], None

    def logits(self, hidden):
        return 3 * tf.sin(hidden * tf.range(1.0, self.vocab_size + 1))


class UniformModel(FakeModel):
    """Finds every token as likely as the others."""

    def logits(self, hidden):
        return tf.zeros_like(hidden) * tf.zeros([self.vocab_size])


@functools.cache
def gpt(vocab_size=VOCAB_SIZE):
    model = GPTModel(
        vocab_size,
        16,
        2,
        32,
        max_length=16,
        num_layers=2,
        initializer_stddev=0.4,
    )
    model(np.zeros((1, 1), np.int32))
    return model


def logprobs_behind(model, context):
    """All tokens' log-probabilities behind a context, one pass for each."""
    states, _ = model.hidden_states(tf.constant([context], tf.int32))
    logits = model.logits(states[:, -1])[0, :VOCAB_SIZE]
    return tf.nn.log_softmax(logits).numpy().astype(np.float64)


def score_alone(model, context, tokens):
    """The tokens' sum of log-probabilities, and which are the likeliest."""
    total, likeliest = 0.0, []
    context = context[-(model.max_length + 1 - len(tokens)) :]
    for token in tokens:
        logprobs = logprobs_behind(model, context)
        total += logprobs[token]
        likeliest.append(logprobs.argmax() == token)
        context = [*context, token]
    return total, likeliest


def figures_of(task: Task, model=None, **arguments):
    model = model or FakeModel()
    return evaluate(model, ByteTokenizer(), task, **arguments).figures
