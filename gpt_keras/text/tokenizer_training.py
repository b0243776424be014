"""Documents come in, a tokenizer made for them goes out."""

import json
from collections.abc import Iterable
from collections.abc import Iterator

from tokenizers import Tokenizer
from tokenizers import models
from tokenizers import pre_tokenizers
from tokenizers import trainers

from gpt_keras.text.byte_pair_tokenizer import BytePairTokenizer
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.special_tokens import with_end_of_text
from gpt_keras.text.unicode_text import check_text


def train_byte_pair(
    documents: Iterable[str], vocab_size: int, special_tokens=()
) -> BytePairTokenizer:
    """Merges the most frequent pairs until the vocabulary is full.

    The same documents give the same tokenizer.

    Args:
        documents: texts, read once and not kept.
        vocab_size: number of ids: the 256 bytes, the merges and the special
            tokens, `<|endoftext|>` among them.
        special_tokens: names beside `<|endoftext|>`.

    Raises:
        ValueError: `vocab_size` is too small for the bytes or too large for
            the documents, or there is no text.
    """
    names = with_end_of_text(special_tokens)
    smallest = 256 + len(names)
    if vocab_size < smallest:
        raise ValueError(
            f"`vocab_size` must be at least {smallest}: 256 bytes and "
            f"{len(names)} special tokens. Received: {vocab_size}."
        )
    host = Tokenizer(models.BPE())
    host.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=True
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(names),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    host.train_from_iterator(_with_text(documents), trainer)
    model = json.loads(host.to_str())["model"]
    size = len(model["vocab"]) + len(names)
    if size < vocab_size:
        raise ValueError(
            f"`vocab_size` must be at most {size}, all that these documents "
            f"give. Received: {vocab_size}."
        )
    return BytePairTokenizer(model["vocab"], model["merges"], names)


def train_character(
    documents: Iterable[str], special_tokens=()
) -> CharacterTokenizer:
    """Gives every character of the documents an id.

    Args:
        documents: texts, read once and not kept.
        special_tokens: names beside `<|endoftext|>`.

    Raises:
        ValueError: there is no text.
    """
    characters = set()
    for document in _with_text(documents):
        characters.update(document)
    return CharacterTokenizer("".join(sorted(characters)), special_tokens)


def _with_text(documents: Iterable[str]) -> Iterator[str]:
    """Passes the documents on and sees that there is text in them."""
    if isinstance(documents, str):
        raise ValueError(
            "`documents` must be texts, one a document. Received: one `str`."
        )
    empty = True
    for document in documents:
        empty = empty and not check_text(document)
        yield document
    if empty:
        raise ValueError("The documents must hold text. Received: none.")
