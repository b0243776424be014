r"""Converts a GPT-2 from one format to another.

    python -m tools.convert --from=gpt2 --to=runs/gpt2
    python -m tools.convert --from=runs/mine --to=mine_hf --format=hugging_face

`--from` is a folder of this project, of Hugging Face, of OpenAI or of
KerasHub, or `kerashub:` and the name of a preset.
"""

import json
import pathlib
import sys

from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli.model_source import read_model
from gpt_keras.files import new_folder
from gpt_keras.files import write_atomically
from gpt_keras.progress import Working
from gpt_keras.text.byte_pair_tokenizer import BytePairTokenizer
from gpt_keras.text.special_tokens import END_OF_TEXT
from gpt_keras.training import model_folder
from gpt_keras.weights import hugging_face
from gpt_keras.weights import keras_hub


def define_flags(values):
    """Defines the program's flags."""
    for name, text in (
        ("from", "Folder of the model, or kerashub:NAME."),
        ("to", "Folder to write; a new one."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)
    flags.DEFINE_enum(
        "format",
        "gpt_keras",
        list(_WRITERS),
        "What to write.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "best",
        False,
        "The weights of the lowest validation loss, not the last ones.",
        flag_values=values,
    )


def main(values):
    """Prints the path of the new folder."""
    with new_folder(values.to) as folder:
        model, tokenizer = read_model(values["from"].value, best=values.best)
        with Working(f"Writing {values.to}"):
            write_model(folder, model, tokenizer, values.format)
    _note(model, values.format)
    print(values.to)


def write_model(folder, model, tokenizer, format: str) -> None:
    """Writes a model and its tokenizer into a folder.

    A failure leaves a part: write into a folder that only gets its name when
    it is whole.

    Args:
        folder: An empty folder.
        model: A built `GPTModel`.
        tokenizer: Its tokenizer.
        format: `"gpt_keras"`, `"hugging_face"` or `"kerashub"`.

    Raises:
        ValueError: The format can't express the model or the tokenizer.
        OSError: The folder can't be written.
    """
    if format != "gpt_keras" and not isinstance(tokenizer, BytePairTokenizer):
        raise ValueError(
            f"The format {format} has byte-level BPE only. Received: a "
            f"tokenizer of the kind {tokenizer.kind!r}"
        )
    _WRITERS[format](pathlib.Path(folder), model, tokenizer)


def _note(model, format: str):
    """Says what another format has no place for."""
    if format != "gpt_keras" and model.document_separator_id is not None:
        print(
            f"(the format {format} has no document mask: there, tokens behind "
            f"a token {model.document_separator_id} see what stands before "
            "it, and positions go on. A single document is read as here.)",
            file=sys.stderr,
        )


def _write_ours(folder, model, tokenizer):
    model_folder.save_model(folder, model)
    tokenizer.save(folder)


def _write_hugging_face(folder, model, tokenizer):
    hugging_face.save(folder, model, tokenizer.end_of_text_id)
    tokenizer.save_gpt2_files(folder)
    ids = tokenizer.special_tokens
    end = next(x for x in ids if ids[x] == tokenizer.end_of_text_id)
    content = {
        "tokenizer_class": "GPT2Tokenizer",
        "model_max_length": model.max_length,
        "add_prefix_space": False,
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "added_tokens_decoder": {
            str(ids[name]): {
                "content": name,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": True,
            }
            for name in sorted(ids, key=ids.get)
        },
    }
    write_atomically(
        folder / "tokenizer_config.json", json.dumps(content, indent=2) + "\n"
    )


def _write_keras_hub(folder, model, tokenizer):
    special = [*tokenizer.special_tokens]
    if special != [END_OF_TEXT]:
        raise ValueError(
            f"The format kerashub has one special token, {END_OF_TEXT}. "
            f"Received: {special}"
        )
    content = tokenizer.content()
    keras_hub.save(folder, model, content["vocabulary"], content["merges"])


_WRITERS = {
    "gpt_keras": _write_ours,
    "hugging_face": _write_hugging_face,
    "kerashub": _write_keras_hub,
}


def run():
    """Runs the program."""
    program.run(define_flags, main)
