"""Random tokenizers, strings and a matcher for the tests of matching bytes."""

from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gpt_keras.generation.text_matching import banned_tokens
from gpt_keras.generation.text_matching import find_banned
from gpt_keras.generation.text_matching import parse_patterns
from gpt_keras.generation.text_matching import read_token
from gpt_keras.generation.text_matching import read_tokens
from gpt_keras.generation.token_table import TokenTable

# A NUL, two letters, parts of a character and a byte that is in none.
ALPHABET = np.frombuffer(b"\x00ab\xe7\x8c\xff", np.uint8)


class BytesTokenizer:
    """Its tokens are the given byte strings."""

    def __init__(self, *tokens):
        self.tokens = tokens
        self.vocab_size = len(tokens)

    def token_bytes(self, token_id):
        return self.tokens[token_id]


def random_bytes(random, longest):
    size = random.integers(1, longest + 1)
    return random.choice(ALPHABET, size).tobytes()


def random_tokenizer(seed, vocab_size=40):
    """Every byte of the alphabet, tokens that overlap, special ones."""
    random = np.random.default_rng(seed)
    tokens = [bytes([byte]) for byte in ALPHABET.tolist()]
    tokens += [b"", b"aa", b"aab", b""]
    while len(tokens) < vocab_size:
        tokens.append(random_bytes(random, 5))
    return BytesTokenizer(*random.permutation(np.array(tokens, object)))


def padded(strings):
    """Byte strings as `(count, width)` int32, -1 behind their ends."""
    width = max(map(len, strings), default=0)
    array = np.full((len(strings), width), -1, np.int32)
    for row, string in zip(array, strings, strict=True):
        row[: len(string)] = np.frombuffer(string, np.uint8)
    return array


def joined(rows):
    return np.array([b"\x1f".join(row) for row in rows], object)


class Matched(NamedTuple):
    """What is known after the last of some tokens in each row."""

    progress: Any
    is_found: Any
    start: Any
    is_banned: Any


class Matcher:
    """One tokenizer's functions, traced once for batches of any shape."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.table = TokenTable(tokenizer)
        self.parse = tf.function(
            parse_patterns,
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )
        strings = tf.TensorSpec([None], tf.string)
        counts = tf.TensorSpec([None], tf.int32)
        ids = tf.TensorSpec([None, None], tf.int32)
        self._after = tf.function(
            self._read,
            input_signature=[strings, ids, counts, ids],
            autograph=False,
        )

    def after(self, rows, written, contexts=None):
        """Reads contexts, then tokens, as many in every row."""
        contexts = contexts or [[]] * len(rows)
        lengths = [*map(len, contexts)]
        ids = np.zeros((len(rows), max([1, *lengths])), np.int32)
        for row, context in zip(ids, contexts, strict=True):
            row[: len(context)] = context
        written = np.array(written, np.int32)
        lengths = np.array(lengths, np.int32)
        found = self._after(joined(rows), ids, lengths, written)
        return tf.nest.map_structure(lambda x: x.numpy(), found)

    def _read(self, rows, context_ids, lengths, written):
        patterns = parse_patterns(rows)
        places = find_banned(self.table, patterns)

        def body(index, progress, *_):
            token_bytes = self.table.bytes_of(written[:, index])
            return index + 1, *read_token(patterns, progress, token_bytes)

        progress = read_tokens(self.table, patterns, context_ids, lengths)
        nothing = tf.zeros_like(lengths)
        _, progress, is_found, start = tf.while_loop(
            lambda index, *_: index < tf.shape(written)[1],
            body,
            (0, progress, tf.cast(nothing, bool), nothing),
        )
        is_banned = banned_tokens(self.table, patterns, progress, places)
        return Matched(progress, is_found, start, is_banned)

    def spell(self, token_ids):
        return b"".join(self.tokenizer.tokens[n] for n in token_ids)
