r"""Tells how much memory loading a Hugging Face folder takes.

    python -m tools.measure_loading --num_layers=36 --d_model=1280

A folder with random weights of these sizes is written, a tensor at a time. A
process of its own loads it; the peak of its memory, less what it had after the
imports, is compared with the bytes of the weights. The exit status is 1 above
`--limit` times as much.
"""

import json
import os
import tempfile

import numpy as np
import tensorflow as tf
from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli.process_memory import memory
from gpt_keras.model import GPTModel
from gpt_keras.weights import hugging_face
from gpt_keras.weights.architecture import GPT2
from gpt_keras.weights.hugging_face_tensors import WEIGHTS
from gpt_keras.weights.names import named_variables
from gpt_keras.weights.safetensors import write_safetensors

_MEGABYTE = 1e6


def define_flags(values):
    """Defines the program's flags; the sizes are GPT-2 large's."""
    for name, default, text in (
        ("vocab_size", 50257, "Tokens."),
        ("d_model", 1280, "Width of the model."),
        ("num_heads", 20, "Attention heads."),
        ("num_layers", 36, "Blocks."),
        ("max_length", 1024, "Positions."),
    ):
        flags.DEFINE_integer(name, default, text, flag_values=values)
    flags.DEFINE_enum(
        "dtype",
        "float32",
        ["float32", "float16", "bfloat16"],
        "Of the file.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "limit", 1.15, "Times the weights' bytes.", flag_values=values
    )
    flags.DEFINE_string(
        "only", None, "A folder to load in this process.", flag_values=values
    )


def main(values):
    """Prints the figures; returns the exit status."""
    if values.only:
        print(json.dumps(load(values.only)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_random_folder(folder, values)
        found = program.run_alone(__spec__.name, folder)
    weights, above = found["weights"], found["peak"] - found["before"]
    print(
        f"weights {weights / _MEGABYTE:,.0f} MB, peak above the imports "
        f"{above / _MEGABYTE:,.0f} MB: {above / weights:.3f} times the weights"
    )
    return 0 if above <= values.limit * weights else 1


def load(folder) -> dict[str, int]:
    """Loads a folder; returns bytes of memory before and at the peak."""
    tf.constant(0.0) + 1.0  # the runtime starts here
    before = memory("VmRSS")
    model = hugging_face.load_model(folder)
    peak = memory("VmHWM")
    weights = sum(x.numpy().nbytes for x in model.trainable_variables)
    # Linux counts the peak by threads, and may be some pages behind.
    return {"before": before, "peak": max(peak, before), "weights": weights}


def write_random_folder(folder, values) -> None:
    """Writes config and weights of the flags' sizes, a tensor at a time."""
    config = {
        "model_type": "gpt2",
        "vocab_size": values.vocab_size,
        "n_embd": values.d_model,
        "n_head": values.num_heads,
        "n_layer": values.num_layers,
        "n_positions": values.max_length,
    }
    with open(os.path.join(folder, hugging_face.CONFIG), "w") as file:
        json.dump(config, file)
    shapes = {
        name: (values.dtype, shape) for name, shape in _shapes(values).items()
    }
    rng = np.random.default_rng(0)
    kind = tf.as_dtype(values.dtype).as_numpy_dtype
    write_safetensors(
        os.path.join(folder, WEIGHTS),
        shapes,
        (
            rng.standard_normal(shape, "float32").astype(kind)
            for _, shape in shapes.values()
        ),
    )


def _shapes(values) -> dict[str, tuple[int, ...]]:
    """Returns the tensors' shapes, out of a model of one block."""
    model = GPTModel(
        values.vocab_size,
        values.d_model,
        values.num_heads,
        4 * values.d_model,
        values.max_length,
        num_layers=1,
        tie_embeddings=True,
        **GPT2,
    )
    model.build((None, None))
    found = {}
    for name, variable in named_variables(model, "hugging_face").items():
        blocks = values.num_layers if name.startswith("h.0.") else 1
        for index in range(blocks):
            name_there = name.replace("h.0.", f"h.{index}.", 1)
            found[name_there] = tuple(variable.shape)
    return found


def run():
    """Runs the program."""
    program.run(define_flags, main)


if __name__ == "__main__":
    run()
