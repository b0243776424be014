"""A model in any format in, the model, its weights or its tokenizer out.

A source is a folder that `tools.train` or `tools.convert` wrote, a Hugging
Face folder, an OpenAI folder, a KerasHub preset folder, or `kerashub:` and the
name of a preset, which KerasHub downloads.
"""

import json
import pathlib
from collections.abc import Callable
from typing import NamedTuple

from gpt_keras.model import GPTModel
from gpt_keras.progress import Working
from gpt_keras.text.byte_pair_tokenizer import BytePairTokenizer
from gpt_keras.text.gpt2_folder import read_gpt2_folder
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training import model_folder
from gpt_keras.weights import hugging_face
from gpt_keras.weights import keras_hub
from gpt_keras.weights import openai
from gpt_keras.weights.architecture import check_same
from gpt_keras.weights.surgery import add_tokens
from gpt_keras.weights.surgery import pad_vocabulary

_PRESET = "kerashub:"


def read_model(source, dtype: str | None = None, best: bool = False):
    """Returns the model of a source and its tokenizer.

    Args:
        source: See above.
        dtype: A Keras dtype policy; None for the one it was trained with, or
            float32.
        best: The weights of the lowest validation loss, where `tools.train`
            kept them.

    Raises:
        OSError: A file is missing or can't be read.
        ValueError: One is damaged, they contradict each other, or it is no
            GPT-2.
    """
    kind = _kind_of(source)
    if best and kind is not _OURS:
        raise ValueError(
            "`best` needs a folder that tools.train wrote. Received: "
            f"{str(source)!r}"
        )
    options = {"best": best} if best else {}
    with Working(f"Loading {source}"):
        model = kind.load_model(source, dtype=dtype, **options)
        tokenizer = kind.read_tokenizer(source)
    _check_vocabulary(source, tokenizer, model)
    return model, tokenizer


def read_tokenizer(source):
    """Returns the tokenizer of a source; raises as `read_model`."""
    return _kind_of(source).read_tokenizer(source)


def load_weights(source, model: GPTModel) -> None:
    """Gives a built model the weights of a source.

    A model that knows more tokens, behind those of the source, gets
    embeddings for them as `add_tokens` makes them, spread as the others are.

    Raises:
        OSError: As `read_model`.
        ValueError: As `read_model`, or the model is of another architecture.
    """
    kind = _kind_of(source)
    try:
        added = model.vocab_size - kind.read_tokenizer(source).vocab_size
    except FileNotFoundError:  # the weights say what is missing
        added = 0
    if added <= 0:
        kind.load_weights(source, model)
        return
    base, _ = read_model(source, dtype=model.dtype_policy.name)
    grown = pad_vocabulary(
        add_tokens(base, added, noise=1.0), model.vocab_multiple
    )
    arguments = grown.get_config()
    for name in ("name", "trainable", "dtype"):
        arguments.pop(name)
    check_same(model, arguments, str(source))
    for weight, value in zip(model.weights, grown.weights, strict=True):
        weight.assign(value)


class _Kind(NamedTuple):
    load_model: Callable
    load_weights: Callable
    read_tokenizer: Callable


def _read_gpt2_tokenizer(source):
    tokenizer = read_gpt2_folder(source)
    if tokenizer is None:
        raise FileNotFoundError(
            f"{str(source)!r} must have vocab.json and merges.txt, "
            "encoder.json and vocab.bpe, or tokenizer.json."
        )
    return tokenizer


def _preset(source) -> str:
    return str(source).removeprefix(_PRESET)


def _read_keras_hub_tokenizer(source):
    ids, merges = keras_hub.read_vocabulary(_preset(source))
    return BytePairTokenizer(ids, [tuple(x.split(" ")) for x in merges])


_OURS = _Kind(
    model_folder.load_model, model_folder.load_weights, load_tokenizer
)
_HUGGING_FACE = _Kind(
    hugging_face.load_model, hugging_face.load_weights, _read_gpt2_tokenizer
)


_OPENAI = _Kind(openai.load_model, openai.load_weights, _read_gpt2_tokenizer)
_KERAS_HUB = _Kind(
    lambda source, dtype: keras_hub.load_model(_preset(source), dtype),
    lambda source, model: keras_hub.load_weights(_preset(source), model),
    _read_keras_hub_tokenizer,
)


def _kind_of(source) -> _Kind:
    folder = pathlib.Path(source)
    config = _fields(folder / "config.json")
    if str(source).startswith(_PRESET) or "registered_name" in config:
        return _KERAS_HUB
    if (folder / openai.CONFIG).exists():
        return _OPENAI
    if "model_type" in config or _has_foreign_weights(folder):
        return _HUGGING_FACE
    return _OURS


def _has_foreign_weights(folder: pathlib.Path) -> bool:
    patterns = ("*.safetensors", "pytorch_model*.bin")
    return any(any(folder.glob(pattern)) for pattern in patterns)


def _fields(path: pathlib.Path) -> dict:
    """Returns a JSON object; nothing of a file that its reader will refuse."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _check_vocabulary(source, tokenizer, model: GPTModel) -> None:
    if tokenizer.vocab_size != model.vocab_size:
        raise ValueError(
            f"The vocabulary in {str(source)!r} must fit its embedding. "
            f"Received: {tokenizer.vocab_size} tokens and vocab_size="
            f"{model.vocab_size}"
        )
