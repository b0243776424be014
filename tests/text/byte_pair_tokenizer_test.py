"""Host and graph give the same ids, and the ids the text, whatever it is."""

import pathlib
import random

import numpy as np
import pytest
import tensorflow as tf
from text_testing import DATA
from text_testing import PARTS
from text_testing import english
from text_testing import fuzzed_texts
from text_testing import gpt2_files

from gpt_keras.text.byte_pair_tokenizer import BytePairTokenizer
from gpt_keras.text.byte_pair_vocabulary import BYTE_CHARACTERS
from gpt_keras.text.special_tokens import END_OF_TEXT
from gpt_keras.text.tokenizer_training import train_byte_pair


@pytest.fixture(scope="module", params=["gpt2", "trained"])
def tokenizer(request, tmp_path_factory) -> BytePairTokenizer:
    if request.param == "gpt2":
        files = gpt2_files(tmp_path_factory.mktemp("gpt2"))
        return BytePairTokenizer.from_gpt2_files(*files)
    documents = [
        english(),
        "".join(PARTS) * 20,
        "床前明月光,疑是地上霜。" * 20,
    ]
    return train_byte_pair(documents, 700, special_tokens=["<|user|>"])


def _file_texts() -> list[str]:
    if not DATA:
        return [english()[i : i + 2000] for i in range(0, 50_000, 2000)]
    folders = ("unicode/*.txt", "chinese-poetry/*.0.json", "csl-title/*.tsv")
    texts = []
    for pattern in folders:
        for path in pathlib.Path(DATA).glob(pattern):
            text = path.read_bytes().decode("utf-8", "replace")[:150_000]
            texts += [text[i : i + 2000] for i in range(0, len(text), 2000)]
    return texts


def _check(tokenizer: BytePairTokenizer, texts: list[bytes]):
    """Host = graph, and both give the texts back."""
    tokenize = tf.function(
        tokenizer.tokenize,
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    ids = tokenize(texts)
    decoded = [text.decode("utf-8", "replace") for text in texts]
    on_host = tokenizer.encode_batch(decoded)
    assert ids.dtype == tf.int32 and ids.shape.as_list() == [len(texts), None]
    assert ids.to_list() == [row.tolist() for row in on_host]
    assert [tokenizer.decode(row) for row in on_host] == decoded
    back = tf.function(tokenizer.detokenize, autograph=False)(
        ids.to_tensor(tokenizer.end_of_text_id), ids.row_lengths()
    )
    assert back.numpy().tolist() == [text.encode() for text in decoded]
    special = set(tokenizer.special_tokens.values())
    assert special.isdisjoint(ids.flat_values.numpy().tolist())


def test_fuzzed_texts(tokenizer):
    _check(tokenizer, [text.encode() for text in fuzzed_texts(3000)])


def test_text_of_files(tokenizer):
    _check(tokenizer, [text.encode() for text in _file_texts()])


def test_bytes_that_are_not_utf8(tokenizer):
    rng = random.Random(0)
    cut = [text.encode()[1:-1] for text in fuzzed_texts(500)]
    _check(tokenizer, cut + [rng.randbytes(20) for _ in range(500)])


@pytest.mark.parametrize("texts", [[], [b""], [b"", b"a", b""]])
def test_empty_batches_and_texts(tokenizer, texts):
    _check(tokenizer, texts)


def test_long_words_beside_many_short_ones(tokenizer):
    rng = random.Random(0)
    word = "".join(rng.choices("abcdefghij", k=2000))
    texts = [word + " a" * 10_000, " " * 10_000, "a" * 4000, "漢" * 2000]
    _check(tokenizer, [text.encode() for text in texts])


def test_one_text_and_a_batch_give_the_same(tokenizer):
    texts = fuzzed_texts(50)
    rows = tokenizer.encode_batch(texts)
    assert all(row.dtype == np.int32 for row in rows)
    assert [tokenizer.encode(x) for x in texts] == [r.tolist() for r in rows]


def test_without_a_graph_around_it(tokenizer):
    text = "Hello there, world!"
    assert tokenizer.tokenize([text]).to_list() == [tokenizer.encode(text)]


def test_published_counts(tmp_path):
    tokenizer = BytePairTokenizer.from_gpt2_files(*gpt2_files(tmp_path))
    assert tokenizer.end_of_text_id == tokenizer.vocab_size - 1
    if DATA:
        path = pathlib.Path(DATA, "tinyshakespeare", "input.txt")
        text = path.read_text(encoding="utf-8")
        split = int(0.9 * len(text))
        parts = text[:split], text[split:]
        assert tokenizer.vocab_size == 50257
        assert tokenizer.encode("Hello world") == [15496, 995]
        counts = [len(tokenizer.encode(part)) for part in parts]
        assert counts == [301_966, 36_059]
    else:
        assert tokenizer.vocab_size == 1000
        assert len(tokenizer.encode(english())) < len(english()) / 2.5


def test_merges_are_used_in_their_order():
    ids = {c: n for n, c in enumerate(BYTE_CHARACTERS)}
    ids |= {"lo": 256, "ow": 257, "low": 258, "Ġlow": 259}
    merges = [("l", "o"), ("o", "w"), ("lo", "w"), ("Ġ", "low")]
    tokenizer = BytePairTokenizer(ids, merges)
    assert tokenizer.encode("low low ow") == [258, 259, 32, 257]
    assert tokenizer.vocab_size == 261
    assert tokenizer.special_tokens == {END_OF_TEXT: 260}


def test_special_tokens_decode_to_nothing(tokenizer):
    ids = tokenizer.encode("a b")
    with_others = [tokenizer.end_of_text_id, *ids, -1, tokenizer.vocab_size]
    assert tokenizer.decode(with_others) == "a b"
    assert tokenizer.token_bytes(tokenizer.end_of_text_id) == b""
    assert b"".join(map(tokenizer.token_bytes, ids)) == b"a b"
    back = tokenizer.detokenize([with_others], [len(with_others)])
    assert back.numpy().tolist() == [b"a b"]


@pytest.mark.parametrize("text", ["a\ud800", b"a", None, 5])
def test_what_is_no_text_is_refused(tokenizer, text):
    with pytest.raises(ValueError, match="Received"):
        tokenizer.encode(text)
    with pytest.raises(ValueError, match="Received"):
        tokenizer.encode_batch(["fine", text])


def test_gpt2_files_keep_ids_and_fingerprint(tokenizer, tmp_path):
    tokenizer.save_gpt2_files(tmp_path)
    again = BytePairTokenizer.from_gpt2_files(
        tmp_path / "vocab.json",
        tmp_path / "merges.txt",
        special_tokens=list(tokenizer.special_tokens),
    )
    assert again.special_tokens == tokenizer.special_tokens
    assert again.fingerprint == tokenizer.fingerprint


def test_gpt2_files_that_do_not_fit_are_named(tmp_path):
    train_byte_pair(["aa aa"], 258).save_gpt2_files(tmp_path)
    (tmp_path / "merges.txt").write_text("a b\n")
    files = tmp_path / "vocab.json", tmp_path / "merges.txt"
    with pytest.raises(ValueError, match="merges.txt: A merge's parts"):
        BytePairTokenizer.from_gpt2_files(*files)
