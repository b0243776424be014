"""Units of work depend on the texts alone and leave nothing out."""

import random

import pytest

from gpt_keras.data.splitting import SplitText
from gpt_keras.data.work_units import Unit
from gpt_keras.data.work_units import make_units


def documents_of(units):
    """Joins the pieces of every document."""
    found, text = [], ""
    for unit in units:
        for piece, ends in zip(unit.texts, unit.ends, strict=True):
            text += piece
            if ends:
                found.append(text)
                text = ""
    assert not text
    return found


@pytest.mark.parametrize("unit_characters", [1, 10, 100, 10**6])
def test_documents_come_back(unit_characters):
    rng = random.Random(0)
    texts = [
        " ".join(rng.choices(["one", "two\n", "three"], k=rng.randint(0, 60)))
        for _ in range(50)
    ]
    units = list(make_units("train", texts, unit_characters))
    assert documents_of(units) == texts
    assert [unit.number for unit in units] == list(range(len(units)))
    for unit in units:
        assert len("".join(unit.texts)) < 2 * unit_characters + 10
        assert unit.counts()["documents"] == sum(unit.ends)
    for unit in units[:-1]:
        assert len("".join(unit.texts)) >= unit_characters


def test_many_empty_documents_are_many_units():
    units = list(make_units("train", [""] * 200_000, 10**9))
    assert len(units) == 4
    assert sum(unit.counts()["documents"] for unit in units) == 200_000


def test_pieces_of_a_split_keep_their_ends():
    pieces = [("one two", False), (" three", True), ("four", False)]
    (unit,) = make_units("train", SplitText(lambda: iter(pieces)), 100)
    assert [*zip(unit.texts, unit.ends, strict=True)] == pieces
    assert unit.name == "train-00000"


def test_a_digest_knows_texts_and_their_borders():
    units = [
        Unit("train", 0, ["ab", "c"], [True, True]),
        Unit("train", 0, ["a", "bc"], [True, True]),
        Unit("train", 0, ["ab", "c"], [False, True]),
        Unit("train", 0, ["abc"], [True]),
        Unit("train", 0, ["ab", "d"], [True, True]),
    ]
    assert len({unit.digest() for unit in units}) == len(units)
    same = Unit("validation", 7, ["ab", "c"], [True, True])
    assert same.digest() == units[0].digest()
