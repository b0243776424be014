"""A folder with OpenAI's checkpoint of a GPT-2 in, a model out."""

import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from gpt_keras.model import GPTModel
from gpt_keras.weights.architecture import GPT2
from gpt_keras.weights.architecture import check_same
from gpt_keras.weights.assignment import assign_all
from gpt_keras.weights.assignment import blocks_of
from gpt_keras.weights.assignment import check_names
from gpt_keras.weights.assignment import check_shape
from gpt_keras.weights.configuration import Configuration
from gpt_keras.weights.names import named_variables

CONFIG = "hparams.json"
_SCOPE = "model/"
# What TensorFlow raises on a damaged or cut-off file.
_UNREADABLE = (tf.errors.OpError, IndexError, ValueError)


def load_model(folder, dtype: str | None = None) -> GPTModel:
    """Returns the model of a folder.

    Args:
        folder: With `hparams.json`, `checkpoint` and `model.ckpt` in its
            parts.
        dtype: A Keras dtype policy; float32 by default.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or they contradict each other. Names
            the tensor or the field.
    """
    arguments = model_arguments(folder)
    tensors = _Tensors(folder)
    tensors.check_sizes(arguments)
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
    _assign(model, _Tensors(folder))


def model_arguments(folder) -> dict:
    """Returns the arguments of `GPTModel` that `hparams.json` gives.

    Raises:
        FileNotFoundError: There is none.
        ValueError: A field is none of GPT-2's.
    """
    config = Configuration(pathlib.Path(folder) / CONFIG)
    d_model = config.positive("n_embd")
    return {
        "vocab_size": config.positive("n_vocab"),
        "d_model": d_model,
        "num_heads": config.divisor("n_head", d_model),
        "dff": 4 * d_model,
        "max_length": config.positive("n_ctx"),
        "num_layers": config.positive("n_layer"),
        "tie_embeddings": True,
        **GPT2,
    }


class _Tensors:
    """The variables of a checkpoint, without the scope `model/`."""

    def __init__(self, folder):
        self.where = str(folder)
        path = tf.train.latest_checkpoint(self.where)
        if path is None:
            raise FileNotFoundError(
                f"{self.where!r} must have `checkpoint`, and the files that "
                "it names."
            )
        try:
            self._reader = tf.train.load_checkpoint(path)
        except _UNREADABLE as error:
            raise self._unreadable(path, error) from error
        shapes = self._reader.get_variable_to_shape_map()
        self.shapes = {
            name.removeprefix(_SCOPE): shape[1:]
            if name.endswith("/w") and shape[:1] == [1]
            else shape
            for name, shape in shapes.items()
        }

    def read_blocks(self, name: str) -> Iterator[tuple[slice, np.ndarray]]:
        try:
            value = self._reader.get_tensor(_SCOPE + name)
        except _UNREADABLE as error:
            raise self._unreadable(name, error) from error
        return blocks_of(value.reshape(self.shapes[name]))

    def check_sizes(self, arguments: dict) -> None:
        """Checks sizes before memory is asked for."""
        width = arguments["d_model"]
        for name, rows in (
            ("wte", arguments["vocab_size"]),
            ("wpe", arguments["max_length"]),
            (f"h{arguments['num_layers'] - 1}/ln_1/g", None),
        ):
            check_names([name], self.shapes.keys() & {name}, self.where)
            shape = (width,) if rows is None else (rows, width)
            check_shape(name, self.shapes[name], shape, self.where)

    def _unreadable(self, what, error) -> ValueError:
        reason = str(error).splitlines()[0]
        return ValueError(
            f"{what!r} of the checkpoint in {self.where!r} can't be read. "
            f"Received: {reason}"
        )


def _assign(model: GPTModel, tensors: _Tensors) -> None:
    variables = named_variables(model, "openai")
    check_names(variables, tensors.shapes, tensors.where)
    for name, variable in variables.items():
        check_shape(name, tensors.shapes[name], variable.shape, tensors.where)
    assign_all(variables, tensors.read_blocks, tensors.where)
