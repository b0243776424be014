"""One id a code point, the same on the host and in the graph."""

import random

import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.special_tokens import END_OF_TEXT

KNOWN = "ba\0\n é漢👍\U0010ffff"


def _texts(characters: str, count: int) -> list[str]:
    rng = random.Random(count)
    return [
        "".join(rng.choices(characters, k=rng.randrange(30)))
        for _ in range(count)
    ]


def _tokenize(tokenizer, texts):
    signature = [tf.TensorSpec([None], tf.string)]
    return tf.function(
        tokenizer.tokenize, input_signature=signature, autograph=False
    )(texts)


def test_ids_follow_the_code_points():
    tokenizer = CharacterTokenizer("cab", special_tokens=["<|x|>"])
    assert tokenizer.encode("abc?") == [0, 1, 2, 3]
    assert tokenizer.unknown_id == 3
    assert tokenizer.special_tokens == {END_OF_TEXT: 4, "<|x|>": 5}
    assert tokenizer.end_of_text_id == 4
    assert tokenizer.vocab_size == 6


def test_known_characters_come_back():
    tokenizer = CharacterTokenizer(KNOWN)
    texts = _texts(KNOWN, 300)
    ids = _tokenize(tokenizer, texts)
    rows = tokenizer.encode_batch(texts)
    assert ids.dtype == tf.int32 and rows[0].dtype == np.int32
    assert ids.to_list() == [row.tolist() for row in rows]
    assert ids.to_list() == [tokenizer.encode(text) for text in texts]
    assert [tokenizer.decode(row) for row in rows] == texts
    back = tokenizer.detokenize(ids.to_tensor(), ids.row_lengths())
    assert [text.decode() for text in back.numpy()] == texts


def test_unknown_characters_come_back_as_replacement():
    tokenizer = CharacterTokenizer(KNOWN)
    texts = [*_texts(KNOWN + "xy\u200b\U0001f600", 300), END_OF_TEXT]
    ids = _tokenize(tokenizer, texts)
    assert ids.to_list() == [tokenizer.encode(text) for text in texts]
    assert max(ids.flat_values.numpy()) == tokenizer.unknown_id
    expected = [
        "".join(c if c in KNOWN else "\ufffd" for c in text) for text in texts
    ]
    assert [tokenizer.decode(row) for row in ids.to_list()] == expected
    back = tokenizer.detokenize(ids.to_tensor(), ids.row_lengths())
    assert [text.decode() for text in back.numpy()] == expected


def test_bytes_that_are_not_utf8():
    rng = random.Random(0)
    texts = [rng.randbytes(12) for _ in range(300)]
    for known in (KNOWN, KNOWN + "\ufffd"):
        tokenizer = CharacterTokenizer(known)
        assert _tokenize(tokenizer, texts).to_list() == [
            tokenizer.encode(text.decode("utf-8", "replace")) for text in texts
        ]


@pytest.mark.parametrize("texts", [[], [""], ["", "a", ""]])
def test_empty_batches_and_texts(texts):
    tokenizer = CharacterTokenizer("a")
    assert _tokenize(tokenizer, tf.constant(texts, tf.string)).to_list() == [
        [0] * len(text) for text in texts
    ]


def test_special_tokens_decode_to_nothing():
    tokenizer = CharacterTokenizer("a")
    ids = [0, tokenizer.end_of_text_id, tokenizer.vocab_size, -1, 0]
    assert tokenizer.decode(ids) == "aa"
    assert tokenizer.detokenize([ids], [5]).numpy().tolist() == [b"aa"]
    assert tokenizer.token_bytes(tokenizer.unknown_id) == "\ufffd".encode()


@pytest.mark.parametrize(
    "characters, special_tokens",
    [("", []), ("aa", []), ("\ud800", []), (5, []), ("a", ["<unk>"])],
)
def test_bad_arguments_are_refused(characters, special_tokens):
    with pytest.raises(ValueError, match="Received"):
        CharacterTokenizer(characters, special_tokens)


@pytest.mark.parametrize("text", ["a\ud800", b"a", None])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(ValueError, match="Received"):
        CharacterTokenizer("a").encode(text)
    with pytest.raises(ValueError, match="Received"):
        CharacterTokenizer("a").encode_batch(["a", text])
