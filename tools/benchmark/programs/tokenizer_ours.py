"""Encodes text files to token shards, as `tools.prepare` does."""

import pathlib
import tempfile

import worker

from gpt_keras.data.preparation import prepare
from gpt_keras.data.sources import TextFiles
from gpt_keras.data.splitting import ValidationSplit
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.text.tokenizer_training import train_byte_pair


def make(options):
    """Options: `text`, a pattern of files; `tokenizer`, a folder that this
    program writes where it is empty; `vocab_size`; `workers`.
    """
    folder = pathlib.Path(options["tokenizer"])
    if not (folder / "tokenizer.json").exists():
        source = TextFiles(options["text"], "replace")
        train_byte_pair(source.documents(), options["vocab_size"]).save(folder)
    tokenizer = load_tokenizer(folder)

    def repeat():
        with tempfile.TemporaryDirectory() as store:
            _, made = prepare(
                TextFiles(options["text"], "replace"),
                pathlib.Path(store) / "tokens",
                tokenizer=tokenizer,
                split=ValidationSplit(0.0),
                workers=options.get("workers", 0),
            )
            count = made.split("train").num_tokens
        return {"units": options["bytes"], "tokens": count}

    return {"vocab_size": tokenizer.vocab_size}, repeat


if __name__ == "__main__":
    worker.serve(make)
