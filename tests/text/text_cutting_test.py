"""Tests of `gpt_keras.text.text_cutting`."""

import random

from gpt_keras.text.text_cutting import cut_between_words
from gpt_keras.text.text_cutting import last_border
from gpt_keras.text.tokenizer_training import train_byte_pair


def _texts(count, seed):
    rng = random.Random(seed)
    parts = ["a", "the", " ", "  ", "\n", "\t", "\x1c", "\u3000", "\xa0", "7"]
    parts += ["don't", "'s", "!", "中文", "\r\n", "é", "e\u0301", "\u2028"]
    for _ in range(count):
        yield "".join(rng.choices(parts, k=rng.randint(0, 60)))


def test_the_pieces_are_the_text():
    for text in _texts(300, 0):
        pieces = list(cut_between_words(text, size=5))
        assert "".join(pieces) == text
        assert all(pieces) or pieces == [""]
    assert len(list(cut_between_words("ab " * 100, size=10))) > 20
    assert list(cut_between_words("a" * 100, size=10)) == ["a" * 100]


def test_cutting_changes_no_id():
    tokenizer = train_byte_pair(_texts(200, 1), 300)
    for text in _texts(2000, 2):
        pieces = list(cut_between_words(text, size=3))
        joined = [i for ids in tokenizer.encode_batch(pieces) for i in ids]
        assert joined == tokenizer.encode(text)


def test_the_last_border_is_the_last_place_to_cut():
    for text in [*_texts(300, 3), "", "word", "one " + "x" * 10_000]:
        border = last_border(text)
        pieces = list(cut_between_words(text, size=1))
        borders = {len("".join(pieces[:n])) for n in range(1, len(pieces))}
        assert border == max(borders, default=0)
