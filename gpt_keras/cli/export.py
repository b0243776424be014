"""Exports a trained model for TF Serving.

    python -m tools.export --model_dir=runs/quickstart \\
        --output=saved_models/quickstart

With `--task=translate` the model answers sentences instead of going on with
them.
"""

import glob
import pathlib

from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli import safety
from gpt_keras.cli import sampling
from gpt_keras.cli import task_flags
from gpt_keras.cli.model_source import read_model
from gpt_keras.generation.beam_settings import MAX_BEAMS
from gpt_keras.progress import Progress
from gpt_keras.serving.export import MAX_NEW_TOKENS
from gpt_keras.serving.export import MAX_PROMPT_BYTES
from gpt_keras.serving.export import export_saved_model
from gpt_keras.serving.signatures import SIGNATURES
from gpt_keras.serving.training_facts import training_facts


def define_flags(values):
    """Defines the program's flags; the sampling ones are the defaults."""
    program.define_model_dir(values)
    flags.DEFINE_string(
        "output",
        None,
        "Folder that gets the next version: saved_models/NAME.",
        flag_values=values,
        required=True,
    )
    sampling.define_flags(values)
    safety.define_flags(values)
    task_flags.define_tasks(values)
    _define_limits(values)
    _define_precision(values)
    flags.DEFINE_list(
        "signatures",
        None,
        f"Which to write, of {','.join(SIGNATURES)}; all by default, and "
        "`serving_default` always. Each makes the graph larger.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "card_notes",
        None,
        "File with a text of your own for the model card.",
        flag_values=values,
    )


def _define_limits(values):
    flags.DEFINE_integer(
        "max_prompt_bytes",
        MAX_PROMPT_BYTES,
        "A longer prompt is invalid.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "new_tokens_limit",
        MAX_NEW_TOKENS,
        "To ask for more new tokens is invalid.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "max_beams",
        MAX_BEAMS,
        "To ask for more beams is invalid.",
        flag_values=values,
    )


def _define_precision(values):
    flags.DEFINE_enum(
        "dtype",
        None,
        ["float32", "bfloat16"],
        "Of weights and computation; as trained by default.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "quantize",
        None,
        ["int8"],
        "Of the weight matrices; not at all by default.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "loss_text",
        None,
        "Files, by a pattern, on which the loss by `dtype` and `quantize` is "
        "measured; on text that the model writes by default.",
        flag_values=values,
    )


def main(values):
    """Prints the path of the new version."""
    limits = {
        "max_prompt_bytes": values.max_prompt_bytes,
        "max_new_tokens": values.new_tokens_limit,
        "max_beams": values.max_beams,
    }
    tasks = task_flags.tasks(values)
    model, tokenizer = read_model(values.model_dir, best=values.best)
    with Progress("Exporting", unit="parts") as progress:
        path = export_saved_model(
            model,
            tokenizer,
            values.output,
            policy=safety.policy(values, **limits),
            signatures=values.signatures,
            tasks=tasks,
            dtype=values.dtype,
            quantize=values.quantize,
            loss_texts=_texts(values.loss_text),
            training=training_facts(values.model_dir, values.best),
            card_notes=_read(values.card_notes) if values.card_notes else "",
            progress=_teller(progress),
            **sampling.settings(values),
        )
    print(path)


def run():
    """Runs the program."""
    program.run(define_flags, main)


def _teller(progress: Progress):
    def tell(part, done, total):
        progress.note = part
        progress.show(done, total)

    return tell


def _texts(pattern):
    if pattern is None:
        return None
    paths = sorted(glob.glob(pattern, recursive=True))
    if not paths:
        raise ValueError(
            f"`loss_text` must match a file. Received: {pattern!r}"
        )
    return [_read(path) for path in paths]


def _read(path):
    return pathlib.Path(path).read_text(encoding="utf-8")
