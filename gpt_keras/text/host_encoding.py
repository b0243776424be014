"""What `tokenizer.json` holds comes in, an encoder of texts for the host goes
out, without TensorFlow.
"""

from typing import Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers import models
from tokenizers import pre_tokenizers

from gpt_keras.text.byte_pair_vocabulary import BytePairVocabulary
from gpt_keras.text.text_cutting import cut_between_words

# Encodings take a hundred times the memory of their text while they are made.
_PIECES_AT_ONCE = 1024


class BytePairEncoder:
    """The byte pairs of texts, on all processors.

    Args:
        vocabulary: Ids and merges.
    """

    def __init__(self, vocabulary: BytePairVocabulary):
        self._host = Tokenizer(models.BPE(vocabulary.ids, vocabulary.merges))
        self._host.pre_tokenizer = pre_tokenizers.ByteLevel(
            add_prefix_space=False, use_regex=True
        )

    def encode_batch(self, texts: list[str]) -> list[np.ndarray]:
        """Gives each text's ids, int32; texts must be free of surrogates."""
        pieces = [
            (number, piece)
            for number, text in enumerate(texts)
            for piece in cut_between_words(text)
        ]
        ids = [[np.empty(0, np.int32)] for _ in texts]
        for start in range(0, len(pieces), _PIECES_AT_ONCE):
            numbers, group = zip(
                *pieces[start : start + _PIECES_AT_ONCE], strict=True
            )
            encodings = self._host.encode_batch_fast(list(group))
            for number, encoding in zip(numbers, encodings, strict=True):
                ids[number].append(np.array(encoding.ids, np.int32))
        return [np.concatenate(parts) for parts in ids]


class CharacterEncoder:
    """One id a character.

    Args:
        points: The code points that have an id, ascending, `(points,)` int32.
            Every other gets the id after theirs.
    """

    def __init__(self, points: np.ndarray):
        self._points = points

    def encode_batch(self, texts: list[str]) -> list[np.ndarray]:
        """Gives each text's ids, int32; texts must be free of surrogates."""
        return [self._encode(text) for text in texts]

    def _encode(self, text: str) -> np.ndarray:
        points = code_points(text)
        place = np.searchsorted(self._points, points)
        found = self._points[place % len(self._points)] == points
        return np.where(found, place, len(self._points)).astype(np.int32)


def code_points(text: str) -> np.ndarray:
    """The code points of a text, `(length,)` int32."""
    return np.frombuffer(text.encode("utf-32-le"), "<i4").astype(np.int32)


_ENCODERS: dict[str, Any] = {
    "byte_pair": lambda content: BytePairEncoder(
        BytePairVocabulary(
            content["vocabulary"],
            [tuple(merge.split(" ")) for merge in content["merges"]],
            content["special_tokens"],
        )
    ),
    "character": lambda content: CharacterEncoder(
        np.sort(code_points(content["characters"]))
    ),
}
KINDS = tuple(_ENCODERS)


def make_encoder(content: dict) -> BytePairEncoder | CharacterEncoder:
    """Makes the encoder of a tokenizer that was saved.

    Args:
        content: What `tokenizer_file.read` gives; its kind is one of `KINDS`.
    """
    return _ENCODERS[content["kind"]](content)
