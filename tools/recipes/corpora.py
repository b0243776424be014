"""Text files in, the token ids to train on and to validate on out."""

import dataclasses
import functools

import numpy as np

from gpt_keras.data.file_patterns import matching_files
from gpt_keras.text.tokenizer_training import train_byte_pair
from gpt_keras.text.tokenizer_training import train_character

KINDS = ("characters", "byte_pairs")


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The tokens of a text.

    Attributes:
        train: Of its first nine tenths, `(count,)` int32.
        validation: Of the rest, `(count,)` int32.
        vocab_size: Number of ids.
    """

    train: np.ndarray
    validation: np.ndarray
    vocab_size: int

    def windows(self, length: int, most: int | None = None):
        """Returns inputs and labels of the validation, `(windows, length)`.

        Args:
            length: Of a window.
            most: Tokens to take from the beginning; None: all. What is left
                behind the last whole window is left out.
        """
        tokens = self.validation[: None if most is None else most + 1]
        count = (len(tokens) - 1) // length * length
        pairs = tokens[:count], tokens[1 : count + 1]
        return tuple(x.reshape(-1, length).astype("int64") for x in pairs)


@functools.cache
def read_corpus(kind: str, pattern: str, vocab_size: int) -> Corpus:
    """Reads files, one after the other, and makes a tokenizer for them.

    Args:
        kind: `"characters"`, or `"byte_pairs"`.
        pattern: Of UTF-8 files.
        vocab_size: Of the byte pairs, which are found in the first nine
            tenths.

    Raises:
        OSError: There are no such files.
        ValueError: They have too little text.
    """
    texts = []
    for path in matching_files(pattern):
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
    text = "".join(texts)
    cut = int(len(text) * 0.9)
    if kind == "characters":
        tokenizer = train_character([text])
    else:
        tokenizer = train_byte_pair([text[:cut]], vocab_size)
    train, validation = (
        np.asarray(tokenizer.encode(part), np.int32)
        for part in (text[:cut], text[cut:])
    )
    return Corpus(train, validation, tokenizer.vocab_size)
