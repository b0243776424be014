"""Writes greedily with this project's model by one program of XLA.

`Decoder.generate`, whose settings have texts among them, is none that XLA
compiles; this is the loop over `GPTModel.hidden_states` alone.
"""

import keras
import tensorflow as tf
import worker
from op_profile import profile

from gpt_keras.model import GPTModel


def make(options):
    """Options: `model`, arguments of `GPTModel`; `rows`; `prompt_tokens`;
    `new_tokens`.
    """
    keras.utils.set_random_seed(0)
    model = GPTModel(**options["model"], rate=0.0)
    model.build((None, None))
    rows, length = options["rows"], options["prompt_tokens"]
    ids = worker.random_ids(rows * length, model.vocab_size)
    ids = tf.constant(ids.reshape(rows, length), tf.int32)
    generate = make_generate(model, options["new_tokens"])

    def repeat():
        made = generate(ids).numpy()
        return {"units": made.size, "first_tokens": made[0, :4].tolist()}

    return {
        "tensorflow": tf.__version__,
        "parameters": model.count_params(),
    }, repeat


def make_generate(model, new_tokens: int):
    """Returns a function from ids `(rows, length)` to those that follow.

    They are the likeliest, `(rows, new_tokens)`.
    """

    @tf.function(jit_compile=True, autograph=False)
    def generate(ids):
        rows, length = ids.shape
        cache = model.make_cache(rows, length + new_tokens)
        token, cache = _next(model, ids, cache)
        made = tf.zeros((new_tokens, rows), tf.int32)

        def write(count, token, made, cache):
            made = tf.tensor_scatter_nd_update(made, [[count]], [token])
            token, cache = _next(model, token[:, None], cache)
            return count + 1, token, made, cache

        count, token, made, _ = tf.while_loop(
            lambda count, *_: count < new_tokens - 1,
            write,
            (tf.constant(0), token, made, cache),
        )
        made = tf.tensor_scatter_nd_update(made, [[count]], [token])
        return tf.transpose(made)

    return generate


def _next(model, ids, cache):
    """Returns each row's likeliest token behind ids, and the cache."""
    hidden, cache = model.hidden_states(ids, cache)
    logits = model.logits(hidden[:, -1])
    return tf.argmax(logits, axis=-1, output_type=tf.int32), cache


if __name__ == "__main__":
    worker.serve(make, profile)
