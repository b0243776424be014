"""A model folder comes in, what its training was goes out, for the card."""

import json
import pathlib
import statistics
from typing import Any

from gpt_keras.training.model_folder import CONFIG
from gpt_keras.training.run_log import read_metrics

_MANIFEST = pathlib.Path("tokens", "manifest.json")
_SOURCES = "token_sources.json"  # of a run whose tokens lie elsewhere
_FILE_NAMES = 20  # as many names of text files are told


def training_facts(model_dir, best: bool = False) -> dict[str, Any]:
    """Gathers what a model folder says of data and training.

    Args:
        model_dir: The folder that `tools.train` wrote. What is missing there
            is missing in the facts.
        best: Of the weights of the lowest validation loss, not the last ones.

    Returns:
        What JSON can hold, `None` for a number that isn't finite:

        * `configuration`: the settings of the run, without paths;
        * `figures`: the last step, the losses in nats per token, speed and
          time;
        * `data`: source, settings and sizes of the token store, or those and
          names and weights of the `sources` that were mixed.

    Raises:
        ValueError: A file is damaged.
        OSError: A file can't be read.
    """
    folder = pathlib.Path(model_dir)
    run = _read(folder / CONFIG).get("training")
    facts = {
        "configuration": run and _without_paths(run),
        "figures": _figures(_lines(folder, best), run or {}),
        "data": _data(_read(folder / _MANIFEST)) or _mixed(folder / _SOURCES),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _read(path: pathlib.Path) -> dict:
    """Returns a file's JSON object, an empty one if there is no file."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(
            f"{str(path)!r} must be JSON. Received: {error}"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{str(path)!r} must hold a JSON object. Received: "
            f"{type(content).__name__}"
        )
    return content


def _without_paths(run: dict) -> dict:
    """Leaves out where things lay on the machine that trained."""
    paths = ("text", "tokens", "pairs", "validation_files")
    kept = {name: value for name, value in run.items() if name not in paths}
    for name in ("tokenizer", "init_from"):
        if name in kept:
            kept[name] = pathlib.Path(kept[name]).name
    return kept


def _lines(folder, best: bool) -> list[dict]:
    """Returns the log, up to the best validation if that is asked for."""
    lines = read_metrics(folder)
    losses = _series(lines, "val_loss")
    if not best or not losses:
        return lines
    best_step, _ = min(losses, key=lambda pair: pair[1])
    return [line for line in lines if line["step"] <= best_step]


def _figures(lines: list[dict], run: dict) -> dict:
    if not lines:
        return {}
    last_step = max(line["step"] for line in lines)
    losses = _series(lines, "loss")
    val_losses = _series(lines, "val_loss")
    speeds = _series(lines, "tokens_per_second")
    seconds = _series(lines, "seconds")
    best = min(val_losses, key=lambda pair: pair[1], default=(None, None))
    tokens = None
    if {"batch_size", "max_length"} <= run.keys():
        tokens = last_step * run["batch_size"] * run["max_length"]
    return {
        "last_step": last_step,
        "tokens": tokens,
        "loss": losses[-1][1] if losses else None,
        "val_loss": val_losses[-1][1] if val_losses else None,
        "best_val_loss": best[1],
        "best_val_loss_step": best[0],
        "median_tokens_per_second": (
            statistics.median(value for _, value in speeds) if speeds else None
        ),
        "seconds": seconds[-1][1] if seconds else None,
    }


def _series(lines, name) -> list[tuple[int, float]]:
    """Returns steps and values where there is one."""
    return [
        (line["step"], line[name])
        for line in lines
        if line.get(name) is not None
    ]


def _data(manifest: dict) -> dict:
    if not manifest:
        return {}
    splits = manifest.get("splits", {})
    return {
        "source": _briefly(manifest.get("source", {})),
        "settings": manifest.get("settings", {}),
        "splits": {
            name: {key: x for key, x in split.items() if key != "shards"}
            for name, split in splits.items()
        },
        "sha256": manifest.get("sha256"),
    }


def _mixed(path: pathlib.Path) -> dict:
    if not path.exists():
        return {}
    sources = [
        {"name": source["name"], "weight": source["weight"]}
        | _data(source["manifest"])
        for source in json.loads(path.read_bytes())
    ]
    return {"sources": sources}


def _briefly(source: dict) -> dict:
    """Counts the files, which may be many, and names some."""
    files = source.get("files")
    if not isinstance(files, dict):
        return source
    return source | {
        "files": sorted(files)[:_FILE_NAMES],
        "num_files": len(files),
        "bytes": sum(files.values()),
    }
