"""A source of documents in, a tokenizer and a store of its tokens out."""

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Callable

import numpy as np

from gpt_keras.data.pairs import PairSource
from gpt_keras.data.pairs import PairSplit
from gpt_keras.data.pairs import split_pairs
from gpt_keras.data.response_loss import ResponseLoss
from gpt_keras.data.splitting import ValidationSplit
from gpt_keras.data.splitting import split_documents
from gpt_keras.data.token_manifest import MANIFEST
from gpt_keras.data.token_manifest import read_manifest
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.data.token_store import TokenStore
from gpt_keras.data.token_store_writing import check_free
from gpt_keras.data.token_store_writing import write_token_store
from gpt_keras.data.unfinished_store import UnfinishedStore
from gpt_keras.data.work_units import UNIT_CHARACTERS
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.text.tokenizer_training import train_byte_pair
from gpt_keras.text.tokenizer_training import train_character

_KINDS = ("byte_pair", "character")
_COUNTED_AT_ONCE = 2**22  # tokens


def prepare(
    source,
    directory,
    *,
    tokenizer="byte_pair",
    vocab_size: int | None = None,
    split: ValidationSplit | PairSplit | None = None,
    workers: int = 0,
    verify: bool | None = None,
    unit_characters: int = UNIT_CHARACTERS,
    progress: Callable[[str, dict], None] | None = None,
):
    """Makes the token store of a corpus, or opens the one that was made.

    A store that was made from the same source with the same settings is used
    again, and the corpus is not read. That its files are the same is judged by
    their names and sizes. One that was begun and not finished is gone on with.

    Args:
        source: One of `gpt_keras.data.sources`, or a `PairSource`.
        directory: The folder of the store; `tokenizer.json` lies in it.
        tokenizer: A tokenizer, or `"byte_pair"` or `"character"` to train one
            on the training split.
        vocab_size: The size to train `"byte_pair"` to, special tokens
            included; None for the others.
        split: Defaults to the last tenth of the characters for validation, or
            a tenth of the pairs.
        workers: Processes that encode; 0 or 1 encodes in this one.
        verify: How a store that is used again is checked, as for `TokenStore`.
        unit_characters: As for `write_token_store`.
        progress: Called with what is done, `"measure"`, `"vocabulary"` or a
            split's name, and how far: `characters` of `total`, and for a split
            what `write_token_store` gives.

    Returns:
        `(tokenizer, store)`. The store has the splits `"train"` and, for a
        fraction above 0, `"validation"`.

    Raises:
        ValueError: The corpus is empty; the folder holds a store of another
            source, other settings or with damage; `tokenizer` and
            `vocab_size` don't fit, or `source` and `split`.
        OSError: A file can't be read, or the folder can't be written.

    Example:
        >>> tokenizer, store = prepare(
        ...     PythonReference(), "runs/quickstart/tokens", vocab_size=1024)
    """
    of_pairs = isinstance(source, PairSource)
    kind = PairSplit if of_pairs else ValidationSplit
    split = split or kind()
    if not isinstance(split, kind):
        raise ValueError(
            f"`split` must be a `{kind.__name__}` for such a source. Received: "
            f"{split}."
        )
    settings = {
        "tokenizer": _tokenizer_settings(tokenizer, vocab_size),
        "split": dataclasses.asdict(split),
        **(source.settings if of_pairs else {}),
    }
    directory = pathlib.Path(directory)
    unfinished = UnfinishedStore(directory)
    unfinished.complete_interrupted()
    if (directory / MANIFEST).exists():
        return _reopen(directory, source.description, settings, verify)
    check_free(directory)  # before the long work, not after it
    report = _Progress(progress)
    description = _as_json(source.description)
    splits = _splits(source, split, report.measured)
    if isinstance(tokenizer, str):
        tokenizer = _begun(unfinished, description, settings) or _train(
            tokenizer,
            vocab_size,
            report.watch("vocabulary", splits["train"]),
            source.special_tokens if of_pairs else (),
        )
    store = write_token_store(
        directory,
        splits,
        tokenizer=tokenizer,
        source=description,
        settings=settings,
        workers=workers,
        unit_characters=unit_characters,
        progress=report.for_splits(splits),
    )
    return tokenizer, store


def _splits(source, split: ValidationSplit | PairSplit, progress):
    if isinstance(split, PairSplit):
        return split_pairs(source, split, progress)
    return split_documents(source, split, progress)


def _begun(unfinished: UnfinishedStore, source: dict, settings: dict):
    """Returns the tokenizer that was trained before a kill, or None."""
    journal = unfinished.journal
    asked = _as_json({"source": source, "settings": settings})
    if journal is None or any(journal[key] != asked[key] for key in asked):
        return None
    return load_tokenizer(unfinished.partial)


def _train(kind: str, vocab_size: int | None, documents, special_tokens):
    if kind == "byte_pair":
        assert vocab_size is not None
        return train_byte_pair(documents, vocab_size, special_tokens)
    return train_character(documents, special_tokens)


class _Progress:
    """Tells a callback how far each stage is; None is told nothing."""

    def __init__(self, tell):
        self._tell = tell or (lambda stage, counts: None)
        self._measured = 0

    def measured(self, characters: int) -> None:
        self._measured += characters
        self._tell("measure", {"characters": self._measured, "total": None})

    def watch(self, stage: str, texts):
        done = 0
        for text in texts:
            done += len(text)
            counts = {"characters": done, "total": texts.num_characters}
            self._tell(stage, counts)
            yield text

    def for_splits(self, splits):
        def tell(name, counts):
            total = splits[name].num_characters
            self._tell(name, counts | {"total": total})

        return tell


def unigram_entropy(split: TokenSplit) -> float:
    """The entropy of a split's own token frequencies, in nats per token.

    What a model would lose that knows the frequencies and nothing else.
    """
    counts = _counts(split, split.num_tokens)
    shares = counts[counts > 0] / split.num_tokens
    return float(-np.sum(shares * np.log(shares)))


def bytes_per_token(
    split: TokenSplit,
    tokenizer,
    loss: ResponseLoss | None = None,
    most: int = 2**24,
) -> float:
    """How many UTF-8 bytes of text a token stands for, on average.

    Args:
        split: The tokens.
        tokenizer: That made them.
        loss: Counts the tokens of responses alone; None: all.
        most: Tokens that are looked at, from the beginning.
    """
    counts = _counts(split, min(most, split.num_tokens), loss)
    sizes = [len(tokenizer.token_bytes(i)) for i in range(split.vocab_size)]
    return float(counts @ np.array(sizes) / counts.sum())


def _counts(
    split: TokenSplit, num_tokens: int, loss: ResponseLoss | None = None
) -> np.ndarray:
    """How often each id occurs among the first tokens of a split."""
    counts = np.zeros(split.vocab_size, np.int64)
    for start in range(0, num_tokens, _COUNTED_AT_ONCE):
        length = min(_COUNTED_AT_ONCE, num_tokens - start)
        ids = split.read([start], length)[0]
        if loss is not None:
            labels, weights = loss(ids)
            ids = labels[weights > 0]
        counts += np.bincount(ids, minlength=split.vocab_size)
    return counts


def _tokenizer_settings(tokenizer, vocab_size: int | None) -> dict:
    if isinstance(tokenizer, str) and tokenizer not in _KINDS:
        raise ValueError(
            f"`tokenizer` must be a tokenizer or one of {_KINDS}. "
            f"Received: tokenizer={tokenizer!r}."
        )
    if (tokenizer == "byte_pair") != (vocab_size is not None):
        raise ValueError(
            "`vocab_size` must be given with tokenizer='byte_pair', and with "
            f"it only. Received: tokenizer={tokenizer!r}, "
            f"vocab_size={vocab_size}."
        )
    if isinstance(tokenizer, str):
        return {"kind": tokenizer, "vocab_size": vocab_size}
    return {"fingerprint": tokenizer.fingerprint}


def _as_json(content: dict) -> dict:
    """As it comes back from a file: tuples are lists there."""
    return json.loads(json.dumps(content))


def _reopen(directory: pathlib.Path, source: dict, settings: dict, verify):
    manifest = read_manifest(directory)
    stored = {key: manifest[key] for key in ("source", "settings")}
    asked = _as_json({"source": source, "settings": settings})
    differences = list(itertools.islice(_differences(stored, asked), 5))
    if differences:
        raise ValueError(
            f"{str(directory)!r} holds the tokens of another corpus or of "
            "other settings: choose another folder, or remove this one. "
            f"Received: {'; '.join(differences)}."
        )
    store = TokenStore(directory, verify)
    tokenizer = load_tokenizer(directory)
    if tokenizer.fingerprint != manifest["tokenizer"]:
        raise ValueError(
            f"The tokenizer in {str(directory)!r} must have fingerprint "
            f"{manifest['tokenizer']}. Received: {tokenizer.fingerprint}."
        )
    return tokenizer, store


def _differences(stored, asked, path=""):
    if isinstance(stored, dict) and isinstance(asked, dict):
        for key in sorted(stored.keys() | asked.keys()):
            yield from _differences(
                stored.get(key), asked.get(key), f"{path}/{key}"
            )
    elif stored != asked:
        yield f"{path[1:]}: {stored} in the folder, {asked} now"
