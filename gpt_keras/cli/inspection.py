"""Looks inside a model while it reads a text.

    python -m tools.inspect --model_dir=runs/quickstart \\
        --prompt='The "try" statement'

It prints, token by token, how surprised the model was and what it expected,
and draws that and the attention of every layer and head as pictures.
"""

import itertools
import json
import pathlib
import sys
from collections.abc import Iterator

import numpy as np
from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli.model_source import read_model
from gpt_keras.files import write_atomically
from gpt_keras.inspection.attention_pictures import attention_pictures
from gpt_keras.inspection.fonts import can_draw
from gpt_keras.inspection.places import look_at
from gpt_keras.inspection.places import prompt_ids
from gpt_keras.inspection.prediction_pictures import prediction_pictures
from gpt_keras.inspection.report import as_json
from gpt_keras.inspection.report import as_text
from gpt_keras.inspection.token_labels import SPACE
from gpt_keras.inspection.token_labels import TokenLabels


def define_flags(values):
    """Defines the program's flags."""
    program.define_model_dir(values)
    flags.DEFINE_string(
        "prompt",
        None,
        "The text to read.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Folder of the pictures and of `inspection.json`; `inspection` in the "
        "model's by default.",
        flag_values=values,
    )
    for name in ("layers", "heads"):
        flags.DEFINE_list(
            name,
            None,
            f"Numbers of the {name} whose attention is drawn, from 0, with "
            "commas; all by default.",
            flag_values=values,
        )
    flags.DEFINE_integer(
        "top", 5, "How many expected tokens.", flag_values=values
    )
    flags.DEFINE_boolean(
        "json", False, "Print JSON, not a table.", flag_values=values
    )


def main(values):
    """Prints what the model expected and writes the pictures."""
    output = _output(values)
    model, tokenizer = read_model(values.model_dir, best=values.best)
    layers = _numbers(values, "layers", model.num_layers)
    heads = _numbers(values, "heads", model.num_heads)
    token_ids = prompt_ids(model, tokenizer, values.prompt)
    places = look_at(model, token_ids, tokenizer.vocab_size, values.top)
    weights = np.array(model.attention_weights([token_ids], layers=layers))
    labels = TokenLabels(tokenizer, can_draw)
    names = [labels(token_id) for token_id in token_ids]
    text = labels.spell(values.prompt).replace(SPACE, " ")
    paths = _write(
        output,
        attention_pictures(weights[:, 0, heads], layers, heads, names, text),
        prediction_pictures(places, labels, tokenizer.vocab_size, text),
    )
    _report(values, output, places, TokenLabels(tokenizer), paths)
    _note(labels)


def _output(values) -> pathlib.Path:
    """Returns the folder for the pictures, checked before the work is done."""
    if values.output is None:
        return pathlib.Path(values.model_dir) / "inspection"
    output = pathlib.Path(values.output)
    if output.exists() and not output.is_dir():
        raise ValueError(
            f"`output` must be a folder. Received: {values.output!r}, a file"
        )
    return output


def _numbers(values, name: str, count: int) -> list[int]:
    """Returns the layers or heads to draw."""
    given = values[name].value
    if given is None:
        return list(range(count))
    numbers = [int(text) for text in given if text.isdecimal()]
    if len(set(numbers)) < max(len(given), 1) or max(numbers) >= count:
        raise ValueError(
            f"`{name}` must be different numbers from 0 to {count - 1}. "
            f"Received: {','.join(given)!r}"
        )
    return numbers


def _write(output, *pictures: Iterator[tuple[str, bytes]]) -> list[str]:
    """Writes pictures as they are drawn, returns where they are."""
    paths = []
    for name, content in itertools.chain(*pictures):
        write_atomically(output / name, content)
        paths.append(str(output / name))
    return paths


def _report(values, output, places, labels, paths):
    """Prints the figures, and writes them as JSON in any case."""
    content = {"prompt": values.prompt, "pictures": paths}
    content |= as_json(places, labels)
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    path = output / "inspection.json"
    write_atomically(path, text)
    if values.json:
        print(text, end="")
    else:
        print(as_text(places, labels), *paths, path, sep="\n")


def _note(labels):
    """Says which characters are drawn as bytes because there is no font."""
    if labels.hidden:
        points = [f"U+{ord(character):04X}" for character in labels.hidden]
        print(
            f"(no installed font has {', '.join(sorted(points))}: the pictures "
            "show the bytes)",
            file=sys.stderr,
        )


def run():
    """Runs the program."""
    program.run(define_flags, main)
