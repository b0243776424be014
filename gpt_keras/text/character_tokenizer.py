"""Text comes in, one id a character goes out, and back: on the host and inside
the graph.
"""

import functools
import os

import numpy as np
import tensorflow as tf

from gpt_keras.text import tokenizer_file
from gpt_keras.text.host_encoding import CharacterEncoder
from gpt_keras.text.host_encoding import code_points
from gpt_keras.text.special_tokens import END_OF_TEXT
from gpt_keras.text.special_tokens import with_end_of_text
from gpt_keras.text.token_bytes import TokenBytes
from gpt_keras.text.unicode_text import check_text
from gpt_keras.text.unicode_text import check_texts
from gpt_keras.text.unicode_text import to_utf8

UNKNOWN = "<unk>"


class CharacterTokenizer(tf.Module):
    """One token a Unicode code point, for those that it knows.

    The ids are the code points' in their order, then `<unk>`, for all others,
    then `<|endoftext|>` and further special tokens. `<unk>` gives U+FFFD back.

    Args:
        characters: the code points that get an id, in any order, each once.
        special_tokens: names beside `<|endoftext|>`. No text gives their ids.

    Raises:
        ValueError: no characters, one given twice, or a lone surrogate.

    Example:

        tokenizer = CharacterTokenizer("abc")
        tokenizer.encode("cab?")  # [2, 0, 1, 3]
    """

    kind = "character"

    def __init__(self, characters: str, special_tokens=()):
        super().__init__(name="character_tokenizer")
        self._points = code_points(check_text(characters))
        self._points.sort()
        if not self._points.size or (np.diff(self._points) == 0).any():
            raise ValueError(
                "`characters` must be one or more distinct characters. "
                f"Received: {characters[:50]!r}."
            )
        self._names = tuple(with_end_of_text(special_tokens))
        if UNKNOWN in self._names:
            raise ValueError(
                f"`{UNKNOWN}` must not be among the special tokens: it is "
                f"what unknown characters give. Received: {self._names}."
            )
        pieces = [chr(point).encode("utf-8") for point in self._points]
        pieces += ["\ufffd".encode(), *(b"" for _ in self._names)]
        self._token_bytes = TokenBytes(pieces)
        self._host = CharacterEncoder(self._points)

    @classmethod
    def from_content(cls, content: dict):
        """Makes the tokenizer from what `save` put into `tokenizer.json`."""
        return cls(content["characters"], content["special_tokens"])

    @property
    def vocab_size(self) -> int:
        """The number of ids, `<unk>` and special tokens included."""
        return self.unknown_id + 1 + len(self._names)

    @property
    def unknown_id(self) -> int:
        """The id of every character that has none of its own."""
        return len(self._points)

    @property
    def special_tokens(self) -> dict[str, int]:
        """The ids of the special tokens by name."""
        first = self.unknown_id + 1
        return {name: first + n for n, name in enumerate(self._names)}

    @property
    def end_of_text_id(self) -> int:
        """The id of `<|endoftext|>`, which separates documents."""
        return self.special_tokens[END_OF_TEXT]

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of `tokenizer.json`."""
        return tokenizer_file.fingerprint(self.content())

    def encode(self, text: str) -> list[int]:
        """Gives a text's ids, on the host.

        Raises:
            ValueError: not a `str`, or one with lone surrogates.
        """
        return self._host.encode_batch([check_text(text)])[0].tolist()

    def encode_batch(self, texts: list[str]) -> list[np.ndarray]:
        """Gives each text's ids as an int32 array, on the host.

        Raises:
            ValueError: a text is not a `str`, or has lone surrogates.
        """
        return self._host.encode_batch(check_texts(texts))

    def decode(self, token_ids) -> str:
        """Gives the text of a row of ids, on the host.

        Special tokens and ids out of range give nothing.
        """
        return self._token_bytes.decode(token_ids)

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of one token; none for special ones or out of range."""
        return self._token_bytes.of(token_id)

    def tokenize(self, texts) -> tf.RaggedTensor:
        """Gives the ids of a batch of texts, inside the graph.

        Bytes that are not UTF-8 are taken for U+FFFD.

        Args:
            texts: strings, `(batch,)`.

        Returns:
            Ragged int32, `(batch, None)`.
        """
        with tf.device("CPU:0"):  # strings live there
            points = tf.strings.unicode_decode(to_utf8(texts), "UTF-8")
            known = tf.constant(self._points)
            place = tf.searchsorted(known, points.flat_values)
            found = tf.gather(known, place % len(self._points))
            ids = tf.where(found == points.flat_values, place, self.unknown_id)
            return points.with_flat_values(ids)

    def detokenize(self, token_ids, lengths) -> tf.Tensor:
        """Gives the bytes of a batch of ids, inside the graph.

        Args:
            token_ids: integers, `(batch, length)`. Special tokens and ids out
                of range give nothing.
            lengths: integers, `(batch,)`; later positions count for nothing.

        Returns:
            Strings of UTF-8, `(batch,)`.
        """
        return self._token_bytes.detokenize(token_ids, lengths)

    def save(self, directory: str | os.PathLike) -> None:
        """Writes `directory/tokenizer.json`, which `load_tokenizer` reads."""
        tokenizer_file.write(directory, self.content())

    def content(self) -> dict:
        """What `tokenizer.json` holds; `from_content` takes it."""
        return {
            "kind": self.kind,
            "characters": "".join(map(chr, self._points)),
            "special_tokens": list(self._names),
        }
