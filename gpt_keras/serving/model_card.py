"""What an export is made of comes in, the model card beside it goes out.

The card says what a deployer has to know and no secret: of banned and refused
texts their number, of a watermark that there is one.
"""

import json
import math
import os
import pathlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gpt_keras.files import write_atomically
from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.setting_values import TEXTS
from gpt_keras.generation.settings import MAX_STRING_BYTES
from gpt_keras.generation.settings import MAX_STRINGS
from gpt_keras.generation.settings import make_settings
from gpt_keras.serving.model_card_text import to_markdown
from gpt_keras.serving.signature_table import signature_table
from gpt_keras.version import __version__

CONTRACT = 2  # grows when a signature changes what clients rely on
CARD_JSON = os.path.join("assets.extra", "model_card.json")
CARD_TEXT = os.path.join("assets.extra", "MODEL_CARD.md")

INTENDED_USE = (
    "The model goes on from a text as the texts that it was trained on would. "
    "It is meant for study, for research, and for applications in which "
    "someone who can judge what it writes reads it first."
)
LIMITATIONS = (
    "The model writes what is likely, not what is true. It makes up facts, "
    "names and sources, takes over the errors and prejudices of its training "
    "data, and may repeat passages of them word for word. It knows nothing "
    "that is newer than the data, follows instructions only as far as the data "
    "taught it, and is poor in languages that they hold little of. Banned "
    "texts, redaction, refusals and the guard against repetition work by lists "
    "and patterns: they miss what these don't name. None of this makes what it "
    "writes fit to decide on people, health, law or money. The losses say how "
    "well the model predicts texts like those it was trained on, and nothing "
    "else."
)


@dataclass(frozen=True)
class About:
    """What model and graph can't say of themselves.

    Attributes:
        name: The model's name on the server.
        dtype: What the weights are stored and computed in.
        quantization: Such as `"int8"`, or `"none"`.
        loss: What dtype and quantization cost, measured: `reference_loss`,
            `loss` and `difference` in nats per token, and on what; or None.
        training: Of `training_facts`.
        notes: The deployer's own text, Markdown.
    """

    name: str
    dtype: str = "float32"
    quantization: str = "none"
    loss: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""


def model_card(
    model,
    tokenizer,
    functions: Mapping[str, Any],
    settings: Mapping[str, Any],
    policy,
    about: About,
    tasks=(),
) -> dict[str, Any]:
    """Makes the card of an export.

    Args:
        model: A `GPTModel` that is built.
        tokenizer: The tokenizer that it was trained with.
        functions: The signatures' concrete functions by name.
        settings: Fields of `GenerationSettings` that differ from their
            defaults, one value each.
        policy: The `Policy` of the export.
        about: The rest.
        tasks: Of the export, of `generation.tasks`.

    Returns:
        What JSON can hold; `None` stands for a number that isn't finite.

    Raises:
        ValueError: A setting breaks its rule, or an input or output of a
            signature has no meaning in `MEANINGS`.
    """
    card = {
        "contract": CONTRACT,
        "name": about.name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": _software(),
        "intended_use": INTENDED_USE,
        "limitations": LIMITATIONS,
        "notes": about.notes,
        "signatures": signature_table(functions),
        "defaults": _defaults(make_settings(1, **settings)),
        "tasks": {task.name: _task(task) for task in tasks},
        "limits": {
            "max_length": model.max_length,
            "max_prompt_bytes": policy.max_prompt_bytes,
            "max_new_tokens": policy.max_new_tokens,
            "max_beams": policy.max_beams,
            "max_strings": MAX_STRINGS,
            "max_string_bytes": MAX_STRING_BYTES,
        },
        "policy": _policy(policy),
        "model": {
            "parameters": model.count_params(),
            "configuration": model.get_config()
            | {"dtype": model.dtype_policy.name},
        },
        "weights": {
            "dtype": about.dtype,
            "quantization": about.quantization,
            "loss": about.loss,
        },
        "tokenizer": {
            "kind": tokenizer.kind,
            "vocab_size": tokenizer.vocab_size,
            "end_of_text_id": tokenizer.end_of_text_id,
            "special_tokens": tokenizer.special_tokens,
            "fingerprint": tokenizer.fingerprint,
        },
        "training": about.training,
    }
    return _plain(card)


def write_model_card(folder: str | os.PathLike, card: dict[str, Any]) -> None:
    """Writes `model_card.json` and `MODEL_CARD.md` into `assets.extra/`.

    Args:
        folder: The version folder.
        card: Of `model_card`.

    Raises:
        ValueError: JSON can't hold the card.
        OSError: The folder can't be written.
    """
    text = json.dumps(card, ensure_ascii=False, allow_nan=False, indent=1)
    texts = {CARD_JSON: text + "\n", CARD_TEXT: to_markdown(card)}
    for name, text in texts.items():
        # A file name in the data's source may be no Unicode.
        content = text.encode("utf-8", errors="replace")
        write_atomically(pathlib.Path(folder, name), content)


def _software() -> dict[str, str | None]:
    return {
        "gpt_keras": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
    }


def _defaults(settings) -> dict[str, Any]:
    """Returns what the signatures use for what they don't take."""
    defaults: dict[str, Any] = {}
    for name, (value,) in settings._asdict().items():
        if isinstance(value, np.floating):
            value = float(str(value))  # 0.1, not its nearest float32
        elif isinstance(value, np.integer):
            value = int(value)
        elif name in TEXTS:
            value = [text for text in value.split(SEPARATOR) if text]
        defaults[name] = value
    defaults["banned"] = len(defaults["banned"])
    return defaults


def _task(task) -> dict[str, Any]:
    """Returns what a task takes and how it is answered."""
    banned = list(task.settings.get("banned", ()))
    return {
        "signature": task.signature,
        "fields": task.template.fields,
        "cut_field": task.template.truncate,
        "answer_from": task.answer_from,
        "beams": task.beams,
        "length_penalty": task.length_penalty if task.beams else None,
        "settings": dict(task.settings)
        | ({"banned": len(banned)} if banned else {}),
    }


def _policy(policy) -> dict[str, Any]:
    return {
        "banned": len(policy.banned),
        "redact": policy.redact,
        "repetition_guard": policy.repetition_guard,
        "refuse": len(policy.refuse),
        "refusal_text": policy.refusal_text if policy.refuse else None,
        "watermark": policy.watermark is not None,
        "prompt_lookup": policy.prompt_lookup,
    }


def _plain(value):
    """Returns a value as JSON has it: no tuples, no NaN."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value
