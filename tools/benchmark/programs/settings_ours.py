"""Asks an exported graph for first tokens, by requests that are always new."""

import itertools
import time

import keras
import numpy as np
import tensorflow as tf
import worker
from new_requests import new_request
from op_profile import profile

from gpt_keras.generation.settings import make_settings
from gpt_keras.model import GPTModel
from gpt_keras.serving.signatures import make_signatures
from gpt_keras.text.character_tokenizer import CharacterTokenizer

_FIRST = 0x4E00  # Chinese characters, and whatever follows but surrogates
_NUM_SPECIAL = 2  # `<unk>` and the end of text


def make(options):
    """Options: `model`, arguments of `GPTModel`."""
    keras.utils.set_random_seed(0)
    model = GPTModel(**options["model"], rate=0.0)
    model.build((None, None))
    characters = _characters(model.vocab_size - _NUM_SPECIAL)
    tokenizer = CharacterTokenizer(characters)
    made = make_signatures(model, tokenizer, names=["generate"])["generate"]
    traced = []

    def counted(**inputs):
        traced.append(1)
        return made.function(**inputs)

    signature = made._replace(function=counted)
    functions, numbers = [], itertools.count()

    def repeat():
        request = new_request(next(numbers))
        count = request.rows * request.prompt_tokens
        ids = worker.random_ids(count, len(characters))
        inputs = _inputs(request, [characters[i] for i in ids])
        before = len(traced)
        began = time.perf_counter()
        if not functions:  # what an export does, and a server finds done
            functions.append(signature.trace())
        answer = functions[0](**inputs)
        lengths = answer["lengths"].numpy()
        taken = time.perf_counter() - began
        return {
            "units": int(lengths.sum()),
            "seconds": taken,
            "new_shape_seconds": taken,
            "traces": len(traced) - before,
            "request": request._asdict(),
        }

    return {
        "tensorflow": tf.__version__,
        "parameters": model.count_params(),
    }, repeat


def _characters(count):
    points = [*range(_FIRST, 0xD800), *range(0xE000, 0xE000 + count)]
    return "".join(map(chr, points[:count]))


def _inputs(request, characters):
    rows = np.reshape(characters, (request.rows, request.prompt_tokens))
    settings = make_settings(
        request.rows,
        max_new_tokens=1,
        temperature=request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        seed=request.seed,
    )
    values = {
        "prompts": ["".join(row) for row in rows],
        "steps": np.zeros(request.rows, np.int32),
        "continuation": [""] * request.rows,
        **settings._asdict(),
    }
    return {name: tf.constant(value) for name, value in values.items()}


if __name__ == "__main__":
    worker.serve(make, profile)
