"""A model folder in, the model that was trained there out.

The folder holds `config.json` (the model's arguments and the settings of the
run), `tokenizer.json`, `tokens/`, `checkpoints/`, `metrics.jsonl`, `logs/` for
TensorBoard, `examples.html` where texts are scored, and at the end
`curves.png`. A run of adapters has the weights that it began with in
`checkpoints/base/`, once: a reference to another folder would break when that
one is trained further, moved or deleted.
"""

import dataclasses
import json
import pathlib

from gpt_keras.config import TrainConfig
from gpt_keras.files import write_atomically
from gpt_keras.layers.lora import enable_lora
from gpt_keras.layers.lora import merged
from gpt_keras.model import GPTModel
from gpt_keras.training.checkpoint import BASE
from gpt_keras.training.checkpoint import BEST
from gpt_keras.training.checkpoint import latest_step
from gpt_keras.training.checkpoint import restore_weights
from gpt_keras.training.checkpoint import save_weights
from gpt_keras.training.schedules import same_until
from gpt_keras.weights.architecture import check_same

CONFIG = "config.json"
CHECKPOINTS = "checkpoints"


def check_free(model_dir, config, vocab_size: int) -> None:
    """Checks that a folder is new, or that of this very run.

    A run may be made longer, or shorter, while the learning rate of the steps
    that it took stays what it was.

    Args:
        model_dir: The folder; it need not exist.
        config: The `TrainConfig` of the run.
        vocab_size: Of the model.

    Raises:
        ValueError: The folder holds another run, or half of one.
    """
    folder = pathlib.Path(model_dir)
    if (folder / CONFIG).exists():
        _check_same(folder / CONFIG, config, vocab_size)
    elif latest_step(folder / CHECKPOINTS) is not None:
        raise ValueError(
            f"{str(folder)!r} has checkpoints and no {CONFIG}: it is only half "
            "there. Restore the file, or choose another folder."
        )


def claim(
    model_dir, config, vocab_size: int, end_of_text_id: int | None = None
) -> None:
    """Makes a folder that is free into that of this run.

    Args:
        model_dir: The folder, made if need be.
        config: The `TrainConfig` of the run.
        vocab_size: Of the model.
        end_of_text_id: As of `model_arguments`.

    Raises:
        ValueError: As `check_free` and `model_arguments`.
        OSError: It can't be made or written.
    """
    check_free(model_dir, config, vocab_size)
    path = pathlib.Path(model_dir) / CONFIG
    content = {
        "format": 1,
        "model": model_arguments(config, vocab_size, end_of_text_id),
        "training": dataclasses.asdict(config),
    }
    if not path.exists() or _read(path) != content:
        write_atomically(path, json.dumps(content, indent=2) + "\n")


def model_arguments(
    config, vocab_size: int, end_of_text_id: int | None = None
) -> dict:
    """Returns the arguments of `GPTModel` that a folder keeps.

    Args:
        config: The `TrainConfig` of the run.
        vocab_size: Of the tokenizer.
        end_of_text_id: Of the tokenizer; for `config.document_mask` alone.

    Raises:
        ValueError: `config.document_mask` finds no `end_of_text_id`.
    """
    arguments = {"vocab_size": vocab_size, **config.model_arguments()}
    if not config.document_mask:
        return arguments
    if end_of_text_id is None:
        raise ValueError(
            "`document_mask` needs the `end_of_text_id` of the tokenizer. "
            "Received: end_of_text_id=None"
        )
    return {**arguments, "document_separator_id": end_of_text_id}


def load_model(
    model_dir,
    dtype: str | None = None,
    best: bool = False,
    merge: bool = True,
) -> GPTModel:
    """Returns the model of a folder, with its newest weights.

    Where the run keeps averages of the weights, with those. Nothing but
    numbers is read from the checkpoint, and no code is run.

    Args:
        model_dir: The folder that `tools.train` wrote.
        dtype: A Keras dtype policy; None for the one it was trained with.
        best: The weights of the lowest validation loss instead.
        merge: Add adapters to the weights that they belong to. Otherwise the
            model keeps them apart, and everything else frozen.

    Raises:
        FileNotFoundError: It is no model folder, or has no checkpoint.
        ValueError: The configuration or every checkpoint is damaged.
    """
    folder = pathlib.Path(model_dir)
    saved = _read(folder / CONFIG)
    dtype = dtype or saved["training"]["dtype"]
    model = GPTModel(**saved["model"], dtype=dtype)
    model.build((None, model.max_length))
    checkpoints = folder / CHECKPOINTS
    if saved["training"].get("lora_rank"):
        restore_weights(checkpoints / BASE, model)
        config = _configuration(saved["training"])
        enable_lora(model, config.lora_rank, config.lora_alpha)
    restore_weights(checkpoints / BEST if best else checkpoints, model)
    return merged(model) if merge else model


def training_config(model_dir) -> TrainConfig:
    """Returns the configuration of the run of a folder.

    Raises:
        FileNotFoundError: It is no model folder.
        ValueError: The configuration is damaged, or nothing was trained there.
    """
    saved = _read(pathlib.Path(model_dir) / CONFIG)["training"]
    if "steps" not in saved:
        raise ValueError(
            f"{str(model_dir)!r} must hold a run of tools.train. Received: a "
            "model that was not trained there"
        )
    return _configuration(saved)


def load_base(model, model_dir, config, load_weights) -> None:
    """Reads the weights that a run of adapters leaves as they are.

    They come from the folder of the run, if it has begun.

    Args:
        model: A built model without adapters.
        model_dir: The folder of the run.
        config: The `TrainConfig` of the run.
        load_weights: Gives a built model the weights that `config.init_from`
            names.

    Raises:
        FileNotFoundError: They are missing.
        ValueError: They can't be read, or are another model's.
    """
    checkpoints = pathlib.Path(model_dir) / CHECKPOINTS
    places = (checkpoints, checkpoints / BASE)
    if all(latest_step(place) is None for place in places):
        load_weights(config.init_from, model)
    else:
        restore_weights(checkpoints / BASE, model)


def keep_base(model, model_dir) -> None:
    """Writes what a model's adapters stand beside, where it isn't yet.

    Args:
        model: A model with adapters.
        model_dir: The folder of the run.

    Raises:
        OSError: The folder can't be written.
    """
    base = pathlib.Path(model_dir) / CHECKPOINTS / BASE
    if latest_step(base) is None:
        save_weights(base, model)


def load_weights(model_dir, model: GPTModel) -> None:
    """Gives a built model the newest weights of a folder, adapters merged.

    Raises:
        FileNotFoundError: As `load_model`.
        ValueError: As `load_model`, or the model is of another architecture.
    """
    folder = pathlib.Path(model_dir)
    saved = _read(folder / CONFIG)
    arguments = GPTModel(**saved["model"]).get_config()
    for name in ("name", "trainable", "dtype"):
        arguments.pop(name)
    check_same(model, arguments, str(folder))
    if not saved["training"].get("lora_rank"):
        restore_weights(folder / CHECKPOINTS, model)
        return
    source = load_model(model_dir)
    for weight, value in zip(model.weights, source.weights, strict=True):
        weight.assign(value)


def save_model(model_dir, model: GPTModel) -> None:
    """Writes a model as a folder that `load_model` opens.

    No run can go on in it: there is nothing but the model. A failure leaves a
    part: write into a folder that only gets its name when it is whole.

    Args:
        model_dir: The folder, which exists.
        model: A built model.

    Raises:
        OSError: It can't be written.
    """
    folder = pathlib.Path(model_dir)
    arguments = model.get_config()
    for name in ("name", "trainable", "dtype", "remat"):
        arguments.pop(name)
    content = {
        "format": 1,
        "model": arguments,
        "training": {"dtype": model.dtype_policy.name},
    }
    save_weights(folder / CHECKPOINTS, model)
    write_atomically(folder / CONFIG, json.dumps(content, indent=2) + "\n")


def _read(path: pathlib.Path) -> dict:
    if not path.exists():
        raise FileNotFoundError(
            f"{str(path.parent)!r} is no model folder: {CONFIG} is missing."
        )
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["format"] != 1 or not {"model", "training"} <= saved.keys():
            raise KeyError("format")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{str(path)!r} must be a configuration of format 1. Received: "
            f"{type(error).__name__}: {error}"
        ) from error
    return saved


def _check_same(path: pathlib.Path, config, vocab_size: int) -> None:
    saved = _read(path)
    if "steps" not in saved["training"]:
        raise ValueError(
            f"{str(path.parent)!r} holds a model that was not trained there. "
            "Choose another folder, and begin with this one by --init_from."
        )
    differences = config.differences(saved["training"])
    if saved["model"]["vocab_size"] != vocab_size:
        differences.append(
            f"vocabulary: {saved['model']['vocab_size']} there, "
            f"{vocab_size} now"
        )
    differences += _other_schedule(path, config, saved["training"])
    if differences:
        raise ValueError(
            f"{str(path.parent)!r} holds a run with other settings. Go on "
            "with those, or choose another folder. Received: "
            f"{'; '.join(differences)}"
        )


def _other_schedule(path: pathlib.Path, config, saved: dict) -> list[str]:
    """Says where the length of the run can't be what it is now."""
    if saved["steps"] == config.steps:
        return []
    step = latest_step(path.parent / CHECKPOINTS) or 0
    lengths = f"steps: {saved['steps']} there, {config.steps} now"
    if step > config.steps:
        return [f"{lengths}, and {step} are done"]
    if not same_until(_configuration(saved), config, step):
        return [
            f"{lengths}, and the learning rate of the {step} that are done "
            "depends on it"
        ]
    return []


def _configuration(saved: dict) -> TrainConfig:
    known = {field.name for field in dataclasses.fields(TrainConfig)}
    return TrainConfig(
        **{name: value for name, value in saved.items() if name in known}
    )
