"""A folder with GPT-2's tokenizer in any of its forms comes in, the tokenizer
goes out.
"""

import pathlib

from gpt_keras.text import byte_pair_vocabulary
from gpt_keras.text import tokenizer_file
from gpt_keras.text.byte_pair_tokenizer import BytePairTokenizer

# Vocabulary and merges: Hugging Face's names and OpenAI's.
_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
# Hugging Face's newer form of both, which is not ours of the same name.
_BOTH = tokenizer_file.FILE_NAME


def read_gpt2_folder(directory) -> BytePairTokenizer | None:
    """Reads OpenAI's two files, Hugging Face's two or its newer single one.

    Special tokens that were added to Hugging Face's keep their ids.

    Args:
        directory: The folder.

    Returns:
        The tokenizer, None where the folder has none in these forms.

    Raises:
        ValueError: A file is broken, or they do not fit together.
    """
    folder = pathlib.Path(directory)
    for names in _PAIRS:
        vocab_file, merges_file = (folder / name for name in names)
        if vocab_file.exists() and merges_file.exists():
            ids, merges = byte_pair_vocabulary.read_gpt2_files(
                vocab_file, merges_file
            )
            return _make(folder, ids, merges, _added_tokens(folder))
    if not (folder / _BOTH).exists():
        return None
    content = tokenizer_file.read_json_object(folder / _BOTH)
    if "model" not in content:
        return None
    return _from_single_file(folder, content)


def _from_single_file(folder, content) -> BytePairTokenizer:
    try:
        kind = content["model"]["type"], content["pre_tokenizer"]["type"]
        ids = dict(content["model"]["vocab"])
        merges = [
            tuple(x.split(" ")) if isinstance(x, str) else tuple(x)
            for x in content["model"]["merges"]
        ]
        added = {x["content"]: x["id"] for x in content["added_tokens"]}
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder / _BOTH} must have the fields of a byte-level BPE. "
            f"Received: {type(error).__name__}: {error}"
        ) from error
    if kind != ("BPE", "ByteLevel") or content.get("normalizer"):
        raise ValueError(
            f"{folder / _BOTH} must be a byte-level BPE without normalizer, "
            f"as GPT-2's. Received: model {kind[0]!r}, pre_tokenizer "
            f"{kind[1]!r}, normalizer {content.get('normalizer')!r}"
        )
    return _make(folder, ids, merges, added)


def _added_tokens(folder) -> dict[str, int]:
    """Returns the tokens that stand beside Hugging Face's two files."""
    added = {}
    if (folder / "added_tokens.json").exists():
        added |= tokenizer_file.read_json_object(folder / "added_tokens.json")
    path = folder / "tokenizer_config.json"
    if path.exists():
        tokens = tokenizer_file.read_json_object(path)
        tokens = tokens.get("added_tokens_decoder") or {}
        try:
            added |= {x["content"]: int(key) for key, x in tokens.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"`added_tokens_decoder` in {path} must map ids to tokens. "
                f"Received: {type(error).__name__}: {error}"
            ) from error
    return added


def _make(folder, ids, merges, added) -> BytePairTokenizer:
    if not all(type(token_id) is int for token_id in added.values()):
        raise ValueError(
            f"{folder}: an id must be an integer. Received: {added}"
        )
    names = sorted(added, key=added.get)
    try:
        tokenizer = BytePairTokenizer(ids, merges, names)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    wrong = {
        name: token_id
        for name, token_id in added.items()
        if tokenizer.special_tokens[name] != token_id
    }
    if wrong:
        raise ValueError(
            f"{folder}: the ids of added tokens must follow those of the "
            f"vocabulary. Received: {wrong}"
        )
    return tokenizer
