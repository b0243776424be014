"""Writes greedily with KerasHub's GPT-2 by its own `generate`."""

import keras
import keras_hub
import numpy as np
import worker


def make(options):
    """Options: `model`, arguments of this project's `GPTModel`; `rows`;
    `prompt_tokens`; `new_tokens`; `jit_compile`, whether by XLA.
    """
    arguments = options["model"]
    model = make_model(arguments, options.get("dtype", "float32"))
    jit_compile = options.get("jit_compile", False)
    model.compile(sampler="greedy", jit_compile=jit_compile)
    rows, length = options["rows"], options["prompt_tokens"]
    total = length + options["new_tokens"]
    ids = np.zeros((rows, total), np.int32)
    prompt = worker.random_ids(rows * length, arguments["vocab_size"])
    ids[:, :length] = prompt.reshape(rows, length)
    mask = np.zeros((rows, total), bool)
    mask[:, :length] = True

    def repeat():
        inputs = {"token_ids": ids, "padding_mask": mask}
        made = model.generate(inputs, stop_token_ids=None)
        made = np.asarray(made["token_ids"])
        return {
            "units": rows * options["new_tokens"],
            "first_tokens": made[0, length : length + 4].tolist(),
        }

    return {
        "keras_hub": keras_hub.__version__,
        "parameters": model.count_params(),
        "jit_compile": model.jit_compile,
    }, repeat


def make_model(arguments, dtype="float32"):
    """Returns its GPT-2 by the arguments of this project's `GPTModel`."""
    keras.config.set_dtype_policy(dtype)
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=arguments["vocab_size"],
        num_layers=arguments["num_layers"],
        num_heads=arguments["num_heads"],
        hidden_dim=arguments["d_model"],
        intermediate_dim=arguments["dff"],
        max_sequence_length=arguments["max_length"],
    )
    return keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)


if __name__ == "__main__":
    worker.serve(make)
