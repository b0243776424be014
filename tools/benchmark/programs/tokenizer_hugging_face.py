"""Encodes the same files with `tokenizers` to one file of ids."""

import glob
import json
import pathlib
import tempfile

import numpy as np
import tokenizers
import worker


def make(options):
    """Options: as of `tokenizer_ours`, whose folder it reads."""
    path = pathlib.Path(options["tokenizer"]) / "tokenizer.json"
    content = json.loads(path.read_bytes())
    merges = [tuple(pair.split(" ")) for pair in content["merges"]]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.BPE(content["vocabulary"], merges)
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
        add_prefix_space=False
    )
    paths = sorted(glob.glob(options["text"]))

    def repeat():
        count = 0
        with tempfile.TemporaryFile() as file:
            texts = [
                pathlib.Path(path).read_text("utf-8", "replace")
                for path in paths
            ]
            for found in tokenizer.encode_batch_fast(texts):
                count += len(found.ids)
                file.write(np.asarray(found.ids, np.uint16).tobytes())
        return {"units": options["bytes"], "tokens": count}

    return {"tokenizers": tokenizers.__version__}, repeat


if __name__ == "__main__":
    worker.serve(make)
