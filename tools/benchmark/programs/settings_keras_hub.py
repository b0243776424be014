"""Asks KerasHub's `generate` for first tokens, by requests always new."""

import itertools
import time

import keras_hub
import numpy as np
import worker
from decode_keras_hub import make_model
from new_requests import new_request


def make(options):
    """Options: `model`, arguments of this project's `GPTModel`."""
    vocab_size = options["model"]["vocab_size"]
    model = make_model(options["model"])
    given, numbers = [], itertools.count()

    def repeat():
        request = new_request(next(numbers))
        inputs = _inputs(request, vocab_size)
        began = time.perf_counter()
        settings = request.temperature, request.top_k, request.top_p
        if settings not in given:  # they are constants of its graph
            given.append(settings)
            model.compile(sampler=_sampler(request))
        made = model.generate(inputs, stop_token_ids=None)
        np.asarray(made["token_ids"])
        taken = time.perf_counter() - began
        return {
            "units": request.rows,
            "seconds": taken,
            "new_shape_seconds": taken,
            "request": request._asdict(),
        }

    return {
        "keras_hub": keras_hub.__version__,
        "parameters": model.count_params(),
        "jit_compile": model.jit_compile,
    }, repeat


def _sampler(request):
    return keras_hub.samplers.TopPSampler(
        request.top_p,
        k=request.top_k,
        temperature=request.temperature,
        seed=request.seed,
    )


def _inputs(request, vocab_size):
    """Returns prompts with room for one token, as it wants them."""
    rows, length = request.rows, request.prompt_tokens
    prompt = worker.random_ids(rows * length, vocab_size)
    ids = np.zeros((rows, length + 1), np.int32)
    ids[:, :length] = prompt.reshape(rows, length)
    mask = np.ones(ids.shape, bool)
    mask[:, length] = False
    return {"token_ids": ids, "padding_mask": mask}


if __name__ == "__main__":
    worker.serve(make)
