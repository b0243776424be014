"""A Hugging Face folder of a GPT-2 in, a model out, and back."""

import json
import pathlib

import numpy as np

from gpt_keras.files import write_atomically
from gpt_keras.model import GPTModel
from gpt_keras.weights.architecture import GPT2
from gpt_keras.weights.architecture import check_expressible
from gpt_keras.weights.architecture import check_same
from gpt_keras.weights.assignment import assign_all
from gpt_keras.weights.assignment import check_finite
from gpt_keras.weights.assignment import check_names
from gpt_keras.weights.assignment import check_shape
from gpt_keras.weights.configuration import Configuration
from gpt_keras.weights.hugging_face_tensors import WEIGHTS
from gpt_keras.weights.hugging_face_tensors import HuggingFaceTensors
from gpt_keras.weights.names import EMBEDDING
from gpt_keras.weights.names import HEAD
from gpt_keras.weights.names import named_variables
from gpt_keras.weights.safetensors import write_safetensors

CONFIG = "config.json"
# What every GPT-2 has, and what another value would compute differently.
_FIXED = {
    "model_type": ("gpt2",),
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
}
_DEFAULTS = {
    "activation_function": "gelu_new",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}


def load_model(folder, dtype: str | None = None) -> GPTModel:
    """Returns the model of a folder.

    Reading takes the memory of the model and of one tensor.

    Args:
        folder: With `config.json` and `model.safetensors`, which may be in
            several files with an index.
        dtype: A Keras dtype policy; float32 by default.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, they contradict each other, or it is no
            GPT-2. Names the tensor or the field.
    """
    arguments = model_arguments(folder)
    tensors = HuggingFaceTensors(folder)
    _check_sizes(arguments, tensors)
    model = GPTModel(**arguments, dtype=dtype or "float32")
    model.build((None, model.max_length))
    _assign(model, tensors)
    return model


def load_weights(folder, model: GPTModel) -> None:
    """Gives a built model the weights of a folder.

    Raises:
        FileNotFoundError: As `load_model`.
        ValueError: As `load_model`, or the model is of another architecture.
    """
    check_same(model, model_arguments(folder), str(folder))
    _assign(model, HuggingFaceTensors(folder))


def model_arguments(folder) -> dict:
    """Returns the arguments of `GPTModel` that a folder's config gives.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no GPT-2's; names the field.
    """
    config = Configuration(pathlib.Path(folder) / CONFIG)
    for field, allowed in _FIXED.items():
        config.choice(field, allowed, _DEFAULTS.get(field))
    d_model = config.positive("n_embd")
    return {
        "vocab_size": config.positive("vocab_size"),
        "d_model": d_model,
        "num_heads": config.divisor("n_head", d_model),
        "dff": config.positive("n_inner", 4 * d_model),
        "max_length": config.positive("n_positions"),
        "rate": config.number("resid_pdrop", 0.1),
        "num_layers": config.positive("n_layer"),
        "tie_embeddings": config.choice(
            "tie_word_embeddings", (True, False), True
        ),
        "norm_epsilon": config.number("layer_norm_epsilon", 1e-5),
        "initializer_stddev": config.number("initializer_range", 0.02),
        **GPT2,
    }


def save(folder, model: GPTModel, end_of_text_id: int) -> None:
    """Writes a model into a folder as `transformers` reads it.

    The tokenizer's files are the caller's to write. A failure leaves a part:
    write into a folder that only gets its name when it is whole.

    Args:
        folder: Exists.
        model: A built model.
        end_of_text_id: Of the tokenizer.

    Raises:
        ValueError: The format can't express the model, with all reasons, or a
            weight is not finite.
        OSError: The folder can't be written.
    """
    folder = pathlib.Path(folder)
    check_expressible(model, "hugging_face")
    variables = named_variables(model, "hugging_face")
    ids = {"bos_token_id": end_of_text_id, "eos_token_id": end_of_text_id}
    write_safetensors(
        folder / WEIGHTS,
        {
            name if name == HEAD else f"transformer.{name}": (
                str(variable.dtype),
                _stored_shape(name, variable),
            )
            for name, variable in variables.items()
        },
        (
            _stored(name, variable, folder)
            for name, variable in variables.items()
        ),
    )
    for name, content in (
        (CONFIG, {**_config(model), **ids}),
        ("generation_config.json", ids),
    ):
        write_atomically(folder / name, json.dumps(content, indent=2) + "\n")


def _check_sizes(arguments: dict, tensors: HuggingFaceTensors) -> None:
    """Checks sizes by some tensors, before memory is asked for."""
    d_model, layers = arguments["d_model"], arguments["num_layers"]
    last = f"h.{layers - 1}.mlp.c_fc.weight"
    for name, shape in (
        (EMBEDDING, (arguments["vocab_size"], d_model)),
        ("wpe.weight", (arguments["max_length"], d_model)),
        (last, (d_model, arguments["dff"])),
    ):
        check_names([name], tensors.names & {name}, tensors.where)
        check_shape(name, tensors.shape(name), shape, tensors.where)


def _assign(model: GPTModel, tensors: HuggingFaceTensors) -> None:
    variables = named_variables(model, "hugging_face")
    names = tensors.names
    if model.tie_embeddings and HEAD in names:
        _check_tied(tensors)
        names = names - {HEAD}
    check_names(variables, names, tensors.where)
    for name, variable in variables.items():
        check_shape(name, tensors.shape(name), variable.shape, tensors.where)
    assign_all(variables, tensors.read_blocks, tensors.where)
    if not model.tie_embeddings:
        model.final_layer.bias.assign(np.zeros(model.vocab_size))


def _check_tied(tensors: HuggingFaceTensors) -> None:
    """Checks a head that is in the file though it is tied."""
    if not tensors.head_is_embedding():
        raise ValueError(
            f"`tie_word_embeddings` in {tensors.where!r} is true, so "
            f"{HEAD!r} must equal {EMBEDDING!r}. Received: another one."
        )


def _config(model: GPTModel) -> dict:
    dtype = str(model.embedding.embeddings.dtype)
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": model.vocab_size,
        "n_embd": model.d_model,
        "n_head": model.num_heads,
        "n_inner": model.dff,
        "n_layer": model.num_layers,
        "n_positions": model.max_length,
        "n_ctx": model.max_length,
        "tie_word_embeddings": model.tie_embeddings,
        "layer_norm_epsilon": model.norm_epsilon,
        "initializer_range": model.initializer_stddev,
        "attn_pdrop": model.rate,
        "embd_pdrop": model.rate,
        "resid_pdrop": model.rate,
        **_DEFAULTS,
        "dtype": dtype,
        "torch_dtype": dtype,
    }


def _stored_shape(name: str, variable) -> tuple[int, ...]:
    shape = tuple(variable.shape)
    return shape[::-1] if name == HEAD else shape


def _stored(name: str, variable, folder) -> np.ndarray:
    value = np.asarray(variable.numpy())
    check_finite(name, value, str(folder))
    return value.T if name == HEAD else value
