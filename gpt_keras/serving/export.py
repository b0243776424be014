"""A model and its tokenizer come in, a version folder for TF Serving goes out.

The graph is of TensorFlow's core ops and keeps nothing between requests, so
the stock server runs it: text in, text out.
"""

import json
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gpt_keras.generation.decoding import Decoder
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.settings import make_settings
from gpt_keras.generation.text_generator import check_vocabulary
from gpt_keras.serving.version_folder import write_next_version

CONFIG_FILE = "config.json"


def export_saved_model(model, tokenizer, directory, **settings) -> str:
    """Writes a model as the next version under `directory`.

    Signatures, in all of which the rows of a batch come first:

    * `serving_default`: `prompts` (batch,) strings → `completions` (batch,)
      strings, valid UTF-8, made with `settings`;
    * `logits`: `token_ids` (batch, length) int32 → `logits` (batch, length,
      vocab_size) float32.

    `assets.extra/` holds `tokenizer.json`, and `config.json` with the model's
    configuration and the settings. The folder gets its number when all of it
    is on the disk, so that a server that watches `directory` never loads half
    a model.

    Args:
        model: A `GPTModel` that is built.
        tokenizer: The tokenizer that it was trained with.
        directory: The folder of the model's versions: 1, 2, 3, …
        **settings: Fields of `GenerationSettings` that shall differ from
            their defaults, one value each.

    Returns:
        The path of the new version folder.

    Raises:
        ValueError: A setting breaks its rule, the model isn't built, or the
            tokenizer has ids that the model doesn't know.
        OSError: The folder can't be written, or is full. Nothing is left
            behind.

    Example:

    >>> export_saved_model(model, tokenizer, "saved_models/gpt", top_k=40)
    'saved_models/gpt/1'
    """
    check_vocabulary(model, tokenizer)
    if not model.built:
        raise ValueError(
            "A model must be built before its export: call it on token ids "
            f"or load its weights. Received: {model.name}, which is not built."
        )
    signatures = _signatures(model, tokenizer, make_settings(1, **settings))
    functions = {
        name: signature.trace() for name, signature in signatures.items()
    }

    def write(folder):
        resources = _resources(model, tokenizer)
        tf.saved_model.save(resources, folder, signatures=functions)
        _write_assets(folder, model, tokenizer, settings)

    return write_next_version(directory, write)


class _Signature(NamedTuple):
    """A function from named tensors to a dictionary of tensors."""

    function: Callable
    inputs: tuple[tf.TensorSpec, ...]

    def trace(self):
        return tf.function(self.function).get_concrete_function(*self.inputs)


def _signatures(
    model, tokenizer, settings: GenerationSettings
) -> dict[str, _Signature]:
    decoder = Decoder(model, tokenizer.end_of_text_id, tokenizer.vocab_size)

    def complete(prompts):
        token_ids = tokenizer.tokenize(prompts)
        generated = decoder.generate(
            token_ids.to_tensor(),
            tf.cast(token_ids.row_lengths(), tf.int32),
            _for_rows(settings, tf.shape(prompts)[0]),
        )
        completions = tokenizer.detokenize(
            generated.token_ids, generated.lengths
        )
        # JSON can't hold what is not UTF-8.
        return {
            "completions": tf.strings.unicode_transcode(
                completions, "UTF-8", "UTF-8", errors="replace"
            )
        }

    def logits(token_ids):
        length = tf.shape(token_ids)[1]
        check = tf.debugging.assert_less_equal(
            length,
            model.max_length,
            message="A sequence must not be longer than the model's "
            f"max_length={model.max_length}.",
        )
        with tf.control_dependencies([check]):
            token_ids = tf.identity(token_ids)
        return {"logits": model(token_ids, training=False)}

    return {
        "serving_default": _Signature(
            complete, (tf.TensorSpec([None], tf.string, "prompts"),)
        ),
        "logits": _Signature(
            logits, (tf.TensorSpec([None, None], tf.int32, "token_ids"),)
        ),
    }


def _for_rows(settings: GenerationSettings, batch_size) -> GenerationSettings:
    """Gives every row of a batch the one value that a setting has."""
    return GenerationSettings(
        *(tf.broadcast_to(value, [batch_size]) for value in settings)
    )


def _resources(model, tokenizer) -> tf.Module:
    """Returns all that the signatures read from outside of their graphs.

    Variables, not the model: what it has for its training stays out.
    """
    resources = tf.Module()
    resources.weights = [weight.value for weight in model.weights]
    resources.tokenizer = tokenizer
    return resources


def _write_assets(folder, model, tokenizer, settings):
    folder = os.path.join(folder, "assets.extra")
    tokenizer.save(folder)
    config = {
        "model": model.get_config(),
        "generation": {
            name: np.asarray(settings.get(name, setting.default)).item()
            for name, setting in SETTINGS.items()
        },
    }
    path = os.path.join(folder, CONFIG_FILE)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
        file.write("\n")
