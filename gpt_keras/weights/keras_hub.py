"""A KerasHub preset of a GPT-2 in, a model out, and back."""

import keras
import numpy as np

from gpt_keras.model import GPTModel
from gpt_keras.weights.architecture import GPT2
from gpt_keras.weights.architecture import check_expressible
from gpt_keras.weights.architecture import check_same
from gpt_keras.weights.assignment import assign_all
from gpt_keras.weights.assignment import blocks_of
from gpt_keras.weights.assignment import check_finite
from gpt_keras.weights.assignment import check_names
from gpt_keras.weights.names import named_variables

_FUSED = "query_key_value"
_PARTS = ("query", "key", "value")
_EPSILON = 1e-5  # of KerasHub's GPT-2, always


def load_model(preset: str, dtype: str | None = None) -> GPTModel:
    """Returns the model of a preset.

    KerasHub reads the preset, so both models are in memory for a while.

    Args:
        preset: A folder, or a name, which KerasHub downloads.
        dtype: A Keras dtype policy; float32 by default.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: KerasHub can't read it, or it is no GPT-2.
    """
    backbone = _backbone(preset)
    model = GPTModel(**_arguments(backbone), dtype=dtype or "float32")
    model.build((None, model.max_length))
    _assign(model, backbone, preset)
    return model


def load_weights(preset: str, model: GPTModel) -> None:
    """Gives a built model the weights of a preset.

    Raises:
        FileNotFoundError: As `load_model`.
        ValueError: As `load_model`, or the model is of another architecture.
    """
    backbone = _backbone(preset)
    check_same(model, _arguments(backbone), preset)
    _assign(model, backbone, preset)


def read_vocabulary(preset: str) -> tuple[dict[str, int], list[str]]:
    """Returns ids by token and the merges, a text each, of a preset.

    Raises:
        FileNotFoundError: As `load_model`.
        ValueError: As `load_model`.
    """
    tokenizer = _from_preset("GPT2Tokenizer", preset)
    return dict(tokenizer.vocabulary), list(tokenizer.merges)


def save(
    folder,
    model: GPTModel,
    vocabulary: dict[str, int],
    merges: list[str],
) -> None:
    """Writes a model into a folder as a preset of `GPT2CausalLM`.

    KerasHub writes the preset, so both models are in memory for a while. A
    failure leaves a part: write into a folder that only gets its name when it
    is whole.

    Args:
        folder: Exists.
        model: A built model.
        vocabulary: Ids by token, in GPT-2's spelling.
        merges: Two tokens with a space between them each.

    Raises:
        ValueError: The format can't express the model, with all reasons, or a
            weight is not finite.
        OSError: The folder can't be written.
    """
    check_expressible(
        model, "kerashub", tie_embeddings=True, norm_epsilon=_EPSILON
    )
    models = _models()
    backbone = models.GPT2Backbone(
        vocabulary_size=model.vocab_size,
        num_layers=model.num_layers,
        num_heads=model.num_heads,
        hidden_dim=model.d_model,
        intermediate_dim=model.dff,
        dropout=model.rate,
        max_sequence_length=model.max_length,
        dtype=model.dtype_policy,
    )
    weights = {weight.path: weight for weight in backbone.weights}
    for name, variable in named_variables(model, "keras_hub").items():
        value = np.asarray(variable.numpy())
        check_finite(name, value, str(folder))
        for part, array in _parts(name, value):
            weights[part].assign(array.reshape(weights[part].shape))
    tokenizer = models.GPT2Tokenizer(vocabulary=vocabulary, merges=merges)
    task = models.GPT2CausalLM(
        backbone=backbone,
        preprocessor=models.GPT2CausalLMPreprocessor(
            tokenizer, sequence_length=model.max_length
        ),
    )
    task.save_to_preset(str(folder))


def _models():
    import keras_nlp  # it takes seconds, and few programs need it

    return keras_nlp.models


def _from_preset(class_name: str, preset: str):
    try:
        return getattr(_models(), class_name).from_preset(preset)
    except FileNotFoundError:
        raise
    except Exception as error:  # KerasHub's own are of many kinds
        raise ValueError(
            f"KerasHub must be able to read {preset!r} as a GPT-2. Received: "
            f"{type(error).__name__}: {error}"
        ) from error


def _backbone(preset: str) -> keras.Model:
    backbone = _from_preset("GPT2Backbone", preset)
    if type(backbone).__name__ != "GPT2Backbone":
        raise ValueError(
            f"The preset {preset!r} must be a GPT-2. Received: "
            f"{type(backbone).__name__}"
        )
    return backbone


def _arguments(backbone) -> dict:
    return {
        "vocab_size": backbone.vocabulary_size,
        "d_model": backbone.hidden_dim,
        "num_heads": backbone.num_heads,
        "dff": backbone.intermediate_dim,
        "max_length": backbone.max_sequence_length,
        "rate": backbone.dropout,
        "num_layers": backbone.num_layers,
        "tie_embeddings": True,
        "norm_epsilon": _EPSILON,
        **GPT2,
    }


def _assign(model: GPTModel, backbone, preset: str) -> None:
    weights = {weight.path: weight for weight in backbone.weights}
    variables = named_variables(model, "keras_hub")
    names = [part for name in variables for part in _part_names(name)]
    check_names(names, weights, preset)

    def read(name):
        columns = () if variables[name].ndim == 1 else (model.d_model,)
        parts = [weights[part].numpy() for part in _part_names(name)]
        if len(parts) == 1:
            return blocks_of(np.reshape(parts[0], variables[name].shape))
        parts = [np.reshape(part, (*columns, -1)) for part in parts]
        return blocks_of(np.concatenate(parts, axis=-1))

    assign_all(variables, read, preset)


def _part_names(name: str) -> list[str]:
    """Returns KerasHub's names for one of ours, three for a fused one."""
    if _FUSED not in name:
        return [name]
    return [name.replace(_FUSED, part) for part in _PARTS]


def _parts(name: str, value: np.ndarray):
    """Pairs KerasHub's names with their share of one of our variables."""
    names = _part_names(name)
    return zip(names, np.split(value, len(names), axis=-1), strict=True)
