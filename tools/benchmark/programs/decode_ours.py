"""Writes greedily with this project's decoder, as a server's graph does."""

import time
import zlib

import keras
import numpy as np
import tensorflow as tf
import worker
from op_profile import profile

from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.settings import make_settings
from gpt_keras.model import GPTModel


class _Tokenizer:
    """Ids without texts: what is measured is the model."""

    def __init__(self, vocab_size):
        self.vocab_size = vocab_size
        self.end_of_text_id = vocab_size - 1

    def token_bytes(self, token_id):
        if token_id == self.end_of_text_id:
            return b""
        return token_id.to_bytes(3, "big")


def make(options):
    """Options: `model`, arguments of `GPTModel`; `dtype`; `rows`;
    `prompt_tokens`; `new_tokens`; `prompt_lookup`; `after_first`, whether to
    measure the tokens after the first one alone, without the prompt's time;
    `room`, how many positions the cache then has: as many as are used, by
    default.
    """
    keras.utils.set_random_seed(0)
    model = GPTModel(
        **options["model"], rate=0.0, dtype=options.get("dtype", "float32")
    )
    model.build((None, None))
    rows, length = options["rows"], options["prompt_tokens"]
    new_tokens = options["new_tokens"]
    policy = Policy(prompt_lookup=options.get("prompt_lookup", 0))
    decoder = Decoder(model, _Tokenizer(model.vocab_size), policy)
    ids = worker.random_ids(rows * length, model.vocab_size)
    ids = tf.constant(ids.reshape(rows, length), tf.int32)
    lengths = tf.fill([rows], length)

    @tf.function(reduce_retracing=True, autograph=False)
    def generate(ids, lengths, settings):
        made = decoder.generate(ids, lengths, settings)
        return made.token_ids, made.lengths

    @tf.function(autograph=False)
    def begin(ids, lengths, settings):
        state = decoder.start(ids, lengths, settings)
        return decoder.advance(state, settings, max_steps=1)

    @tf.function(autograph=False)
    def go_on(state, settings):
        state = decoder.advance(state, settings, max_steps=new_tokens - 1)
        made = decoder.result(state)
        return made.token_ids, made.lengths

    def settings():
        room = options.get("room", length + new_tokens)
        values = make_settings(
            rows, max_new_tokens=room - length, temperature=0
        )
        return GenerationSettings(*map(tf.constant, values))

    def after_first():
        given = settings()
        state = begin(ids, lengths, given)
        first = int((state.lengths - state.context_lengths).numpy().sum())
        began = time.perf_counter()
        made, counts = go_on(state, given)
        units = int(counts.numpy().sum()) - first
        return made, units, {"seconds": time.perf_counter() - began}

    def whole():
        made, counts = generate(ids, lengths, settings())
        return made, int(counts.numpy().sum()), {}

    def repeat():
        made, units, figures = (
            after_first() if options.get("after_first") else whole()
        )
        return {
            "units": units,
            **figures,
            "first_tokens": np.asarray(made)[0, :4].tolist(),
            "crc_of_tokens": zlib.crc32(made.numpy().tobytes()),
        }

    return {
        "tensorflow": tf.__version__,
        "parameters": model.count_params(),
    }, repeat


if __name__ == "__main__":
    worker.serve(make, profile)
