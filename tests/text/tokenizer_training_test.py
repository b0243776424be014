"""Documents give a vocabulary of the asked size, always the same one."""

import pydoc_data.topics

import pytest

from gpt_keras.text.special_tokens import END_OF_TEXT
from gpt_keras.text.tokenizer_training import train_byte_pair
from gpt_keras.text.tokenizer_training import train_character

DOCUMENTS = [*pydoc_data.topics.topics.values()][:20]


@pytest.mark.parametrize("vocab_size", [257, 258, 600])
def test_byte_pairs_fill_the_vocabulary(vocab_size):
    tokenizer = train_byte_pair(iter(DOCUMENTS), vocab_size)
    assert tokenizer.vocab_size == vocab_size
    assert tokenizer.end_of_text_id == vocab_size - 1
    assert tokenizer.decode(tokenizer.encode("Zürich 漢")) == "Zürich 漢"


def test_the_most_frequent_pair_comes_first():
    tokenizer = train_byte_pair(["xy xy xy xy", "qr qr"], 258)
    assert tokenizer.decode([256]) == "xy"
    assert len(tokenizer.encode("xyqr")) == 3


def test_the_same_documents_give_the_same_tokenizer():
    first, second = (train_byte_pair(DOCUMENTS, 500) for _ in range(2))
    other = train_byte_pair(DOCUMENTS[1:], 500)
    assert first.fingerprint == second.fingerprint != other.fingerprint


def test_special_tokens_count():
    names = ["<|user|>", "<|robot|>"]
    tokenizer = train_byte_pair(DOCUMENTS, 400, special_tokens=names)
    assert tokenizer.vocab_size == 400
    assert tokenizer.special_tokens == {
        END_OF_TEXT: 397,
        "<|user|>": 398,
        "<|robot|>": 399,
    }


def test_a_vocabulary_larger_than_the_documents_give_is_refused():
    with pytest.raises(ValueError, match="at most 258.*Received: 1000"):
        train_byte_pair(["xy"], 1000)


def test_a_vocabulary_smaller_than_the_bytes_is_refused():
    with pytest.raises(ValueError, match="at least 257.*Received: 256"):
        train_byte_pair(["xy"], 256)
    with pytest.raises(ValueError, match="at least 258.*Received: 257"):
        train_byte_pair(["xy"], 257, special_tokens=["<|user|>"])


def test_characters():
    tokenizer = train_character(iter(["ba", "", "é"]), ["<|user|>"])
    assert tokenizer.encode("abé?") == [0, 1, 2, 3]
    assert tokenizer.vocab_size == 6


@pytest.mark.parametrize(
    "documents", [[], ["", ""], "text", [b"x"], ["\ud800"]]
)
def test_documents_that_are_no_text_are_refused(documents):
    with pytest.raises(ValueError, match="Received"):
        train_byte_pair(documents, 300)
    with pytest.raises(ValueError, match="Received"):
        train_character(documents)
