"""Which text is trained on and which is kept for validation."""

import os
import types

import pytest

from gpt_keras.data.sources import TextFiles
from gpt_keras.data.splitting import ValidationSplit
from gpt_keras.data.splitting import split_documents
from gpt_keras.text.text_cutting import cut_between_words


class Documents:
    """A source that counts how often it is read."""

    description = {"kind": "made for a test"}

    def __init__(self, texts):
        self.texts = texts
        self.reads = 0

    def documents(self):
        self.reads += 1
        return iter(self.texts)


def ends_in_document(split):
    """Whether the last document goes on in another split."""
    return not list(split.pieces())[-1][1]


def split_of(texts, **settings):
    return split_documents(Documents(texts), ValidationSplit(**settings))


@pytest.fixture
def shakespeare(tmp_path):
    """The real text where there is one, and one of its length elsewhere."""
    folder = os.environ.get("GPT_KERAS_DATA")
    if folder:
        return TextFiles(f"{folder}/tinyshakespeare/input.txt")
    (tmp_path / "input.txt").write_text("All the w\n" * 111_539 + "orld")
    return TextFiles(str(tmp_path / "input.txt"))


def test_tenth_of_shakespeare(shakespeare):
    splits = split_documents(shakespeare, ValidationSplit(0.1))
    (train,), (validation,) = splits["train"], splits["validation"]
    assert (len(train), len(validation)) == (1_003_854, 111_540)
    assert [train + validation] == list(shakespeare.documents())
    assert ends_in_document(splits["train"])
    assert not ends_in_document(splits["validation"])


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_position_keeps_every_character_in_order(fraction):
    texts = ["ab", "", "cdefgh", "i", "jklmnopqrst", "uvwxyz"] * 5
    splits = split_of(texts, fraction=fraction)
    train, validation = (list(splits[n]) for n in ("train", "validation"))
    whole = "".join(texts)
    cut = int((1 - fraction) * len(whole))
    assert "".join(train) == whole[:cut]
    assert "".join(validation) == whole[cut:]
    texts = [text for text in texts if text]
    if ends_in_document(splits["train"]):
        joined = train[:-1] + [train[-1] + validation[0]] + validation[1:]
        assert joined == texts
    else:
        assert train + validation == texts


def test_cut_between_documents_ends_the_document():
    splits = split_of(["abcd", "efgh"], fraction=0.5)
    assert list(splits["train"]) == ["abcd"]
    assert list(splits["validation"]) == ["efgh"]
    assert not ends_in_document(splits["train"])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("count, fraction", [(2, 0.01), (2, 0.99), (9, 0.1)])
def test_document_split_has_both_sides(count, fraction, seed):
    texts = [f"document {index}" for index in range(count)]
    splits = split_of(texts, fraction=fraction, by="document", seed=seed)
    train, validation = list(splits["train"]), list(splits["validation"])
    assert train and validation
    assert sorted(train + validation) == texts


def test_document_split_draws_by_seed_and_index_alone():
    def chosen(count, seed):
        texts = [str(index) for index in range(count)]
        splits = split_of(texts, fraction=0.2, by="document", seed=seed)
        return list(splits["validation"])

    assert 150 < len(chosen(1000, seed=0)) < 250
    assert chosen(1000, seed=0) != chosen(1000, seed=1)
    longer = [index for index in chosen(2000, seed=0) if int(index) < 1000]
    assert longer == chosen(1000, seed=0)


@pytest.mark.parametrize("by", ["position", "document"])
def test_each_split_reads_the_source_once_and_anew(by):
    source = Documents(["one", "two", "three", "four"])
    splits = split_documents(source, ValidationSplit(0.5, by))
    assert source.reads == 1
    first = list(splits["train"])
    assert source.reads == 2
    assert list(splits["train"]) == first
    validation = splits["validation"]
    reads = iter(validation), iter(validation)
    assert next(reads[0]) == next(reads[1])


def test_nothing_is_held_in_memory():
    alive = 0

    class Text(str):
        def __new__(cls, text):
            nonlocal alive
            alive += 1
            return super().__new__(cls, text)

        def __del__(self):
            nonlocal alive
            alive -= 1

    most = 0

    def documents():
        nonlocal most
        for index in range(50):
            yield Text(index)
            most = max(most, alive)

    source = types.SimpleNamespace(documents=documents)
    for by in ("position", "document"):
        splits = split_documents(source, ValidationSplit(0.3, by))
        for split in splits.values():
            for _ in split:
                pass
    assert most <= 3


def test_no_validation():
    splits = split_of(["a", "", "b"], fraction=0)
    assert list(splits) == ["train"]
    assert list(splits["train"]) == ["a", "b"]


@pytest.mark.parametrize("by", ["position", "document"])
@pytest.mark.parametrize("fraction", [0, 0.1])
@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_empty_corpus(texts, fraction, by):
    with pytest.raises(ValueError, match="made for a test"):
        split_of(texts, fraction=fraction, by=by)


def test_one_document_can_only_be_cut():
    with pytest.raises(ValueError, match="by='position'"):
        split_of(["", "one"], by="document")
    with pytest.raises(ValueError, match="1 characters in all"):
        split_of(["x"], fraction=0.1)


@pytest.mark.parametrize("settings", [{"fraction": 1}, {"fraction": -0.1}])
def test_fraction_out_of_range(settings):
    with pytest.raises(ValueError, match=f"fraction={settings['fraction']}"):
        ValidationSplit(**settings)


def test_unknown_way():
    with pytest.raises(ValueError, match="by='line'"):
        ValidationSplit(by="line")


@pytest.mark.parametrize("by", ["position", "document"])
def test_pieces_split_as_whole_documents_do(by):
    texts = ["one two three", "four", " ".join(["five"] * 30), "six seven"] * 3

    def pieces():
        for text in texts:
            parts = list(cut_between_words(text, 7))
            for part in parts[:-1]:
                yield part, False
            yield parts[-1], True

    def documents(split):
        found, text = [], ""
        for piece, ends in split.pieces():
            text += piece
            if ends:
                found.append(text)
                text = ""
        return [*found, text]

    settings = ValidationSplit(0.3, by)
    whole = split_documents(Documents(texts), settings)
    in_pieces = split_documents(types.SimpleNamespace(pieces=pieces), settings)
    for name, split in whole.items():
        assert documents(in_pieces[name]) == documents(split)
        assert in_pieces[name].num_characters == split.num_characters
