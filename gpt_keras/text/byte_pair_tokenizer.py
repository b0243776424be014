"""Text comes in, ids of byte pairs go out, and back: on the host and inside
the graph.
"""

import functools
import os

import numpy as np
import tensorflow as tf

from gpt_keras.text import byte_pair_vocabulary
from gpt_keras.text import tokenizer_file
from gpt_keras.text.byte_pair_merging import BytePairMerging
from gpt_keras.text.byte_pair_vocabulary import BytePairVocabulary
from gpt_keras.text.host_encoding import BytePairEncoder
from gpt_keras.text.special_tokens import END_OF_TEXT
from gpt_keras.text.token_bytes import TokenBytes
from gpt_keras.text.unicode_text import check_text
from gpt_keras.text.unicode_text import check_texts
from gpt_keras.text.unicode_text import to_utf8
from gpt_keras.text.word_splitting import split_words


class BytePairTokenizer(tf.Module):
    """GPT-2's byte-level byte-pair encoding.

    The methods for the graph use core TensorFlow ops only, so they export. The
    host's are fast, and give the same ids.

    Special tokens in a text are text: no text gives their ids.

    Args:
        vocabulary: token → id in GPT-2's spelling of bytes, ids 0..n-1.
        merges: pairs of tokens, in the order in which they are merged.
        special_tokens: names beside `<|endoftext|>`. Those which `vocabulary`
            has keep their ids; the others get the ids after it.

    Raises:
        ValueError: vocabulary, merges and special tokens do not fit together.

    Example:

        tokenizer = BytePairTokenizer.from_gpt2_files(
            "encoder.json", "vocab.bpe"
        )
        tokenizer.encode("Hello world")  # [15496, 995]

    Reference:
        Radford et al. 2019, §2.2; Sennrich et al. 2016, §3.2.
    """

    kind = "byte_pair"

    def __init__(self, vocabulary, merges, special_tokens=()):
        super().__init__(name="byte_pair_tokenizer")
        self._vocabulary = BytePairVocabulary(
            vocabulary, merges, special_tokens
        )
        self._byte_ids = self._vocabulary.byte_ids()
        self._byte_ids[255] = self.vocab_size
        self._token_bytes = TokenBytes(self._vocabulary.token_bytes())
        self._merging = BytePairMerging(
            self._vocabulary.merge_ids(), self.vocab_size
        )
        self._host = BytePairEncoder(self._vocabulary)

    @classmethod
    def from_gpt2_files(
        cls,
        vocab_file: str | os.PathLike,
        merges_file: str | os.PathLike,
        special_tokens=(),
    ):
        """Reads `encoder.json` and `vocab.bpe`, or `vocab.json`, `merges.txt`.

        Raises:
            ValueError: a file is broken, or the two do not fit together.
        """
        ids, merges = byte_pair_vocabulary.read_gpt2_files(
            vocab_file, merges_file
        )
        try:
            return cls(ids, merges, special_tokens)
        except ValueError as error:
            raise ValueError(f"{vocab_file}, {merges_file}: {error}") from error

    @classmethod
    def from_content(cls, content: dict):
        """Makes the tokenizer from what `save` put into `tokenizer.json`."""
        merges = [tuple(merge.split(" ")) for merge in content["merges"]]
        return cls(content["vocabulary"], merges, content["special_tokens"])

    @property
    def vocab_size(self) -> int:
        """The number of ids, special tokens included."""
        return len(self._vocabulary.ids)

    @property
    def special_tokens(self) -> dict[str, int]:
        """The ids of the special tokens by name."""
        ids = self._vocabulary.ids
        return {name: ids[name] for name in self._vocabulary.special_tokens}

    @property
    def end_of_text_id(self) -> int:
        """The id of `<|endoftext|>`, which separates documents."""
        return self._vocabulary.ids[END_OF_TEXT]

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of `tokenizer.json`."""
        return tokenizer_file.fingerprint(self.content())

    def encode(self, text: str) -> list[int]:
        """Gives a text's ids, on the host.

        Raises:
            ValueError: not a `str`, or one with lone surrogates.
        """
        return self.encode_batch([check_text(text)])[0].tolist()

    def encode_batch(self, texts: list[str]) -> list[np.ndarray]:
        """Gives each text's ids as an int32 array, on all processors.

        Raises:
            ValueError: a text is not a `str`, or has lone surrogates.
        """
        return self._host.encode_batch(check_texts(texts))

    def decode(self, token_ids) -> str:
        """Gives the text of a row of ids, on the host.

        Special tokens and ids out of range give nothing, bytes that are not
        UTF-8 give U+FFFD.
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
            words = split_words(to_utf8(texts))
            distinct, number = tf.unique(words.flat_values)
            tokens = tf.gather(self._tokens_of(distinct), number)
            # Text by text: the tokens of its words, one word after another.
            return tf.RaggedTensor.from_row_splits(
                tokens.values,
                tf.gather(tokens.row_splits, words.row_splits),
                validate=False,
            )

    def detokenize(self, token_ids, lengths) -> tf.Tensor:
        """Gives the bytes of a batch of ids, inside the graph.

        Args:
            token_ids: integers, `(batch, length)`. Special tokens and ids out
                of range give nothing.
            lengths: integers, `(batch,)`; later positions count for nothing.

        Returns:
            Strings, `(batch,)`, not always UTF-8.
        """
        return self._token_bytes.detokenize(token_ids, lengths)

    def save(self, directory: str | os.PathLike) -> None:
        """Writes `directory/tokenizer.json`, which `load_tokenizer` reads."""
        tokenizer_file.write(directory, self.content())

    def save_gpt2_files(self, directory: str | os.PathLike) -> None:
        """Writes GPT-2's two files, `vocab.json` and `merges.txt`."""
        byte_pair_vocabulary.write_gpt2_files(directory, self._vocabulary)

    def content(self) -> dict:
        """What `tokenizer.json` holds; `from_content` takes it."""
        return {
            "kind": self.kind,
            "vocabulary": self._vocabulary.ids,
            "merges": [" ".join(pair) for pair in self._vocabulary.merges],
            "special_tokens": self._vocabulary.special_tokens,
        }

    def _tokens_of(self, words) -> tf.RaggedTensor:
        """The ids of each word, `(words,)` → `(words, None)`."""
        # The byte 255, which is not in UTF-8, separates the words.
        text = tf.strings.reduce_join(b"\xff" + words) + b"\xff"
        text = tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)
        word = tf.cumsum(tf.cast(text == 255, tf.int64)) - 1
        tokens, word = self._merging(
            tf.gather(self._byte_ids, text), word, tf.size(words) + 1
        )
        inside = tf.where(tokens < self.vocab_size)[:, 0]
        return tf.RaggedTensor.from_value_rowids(
            tf.cast(tf.gather(tokens, inside), tf.int32),
            tf.gather(word, inside),
            nrows=tf.size(words, tf.int64),
            validate=False,
        )
