"""From a source to its tokens, once; what changed since is named."""

import os

import numpy as np
import pytest

from gpt_keras.data import preparation
from gpt_keras.data.pair_records import PairFiles
from gpt_keras.data.pairs import PairSource
from gpt_keras.data.pairs import PairSplit
from gpt_keras.data.preparation import prepare
from gpt_keras.data.preparation import unigram_entropy
from gpt_keras.data.sources import PythonReference
from gpt_keras.data.sources import TextFiles
from gpt_keras.data.splitting import ValidationSplit
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.data.token_store import TokenStore
from gpt_keras.data.unfinished_store import UnfinishedStore
from gpt_keras.text.byte_pair_tokenizer import BytePairTokenizer
from gpt_keras.text.template import find_template
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXT = "It was the best of times, it was the worst of cabs. Ω\n" * 40


@pytest.fixture
def corpus(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text(name + TEXT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def source(corpus):
    return TextFiles(f"{corpus}/*.txt")


def all_ids(store, name):
    split = store.split(name)
    return split.read([0], split.num_tokens)[0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"vocab_size": 270},
        {"tokenizer": "character"},
        {"tokenizer": train_byte_pair([TEXT], 280)},
    ],
)
@pytest.mark.parametrize("by", ["position", "document"])
def test_text_comes_back_from_the_store(corpus, source, arguments, by):
    directory = corpus / "tokens"
    split = ValidationSplit(0.3, by)
    tokenizer, store = prepare(source, directory, split=split, **arguments)
    ids = np.concatenate([all_ids(store, n) for n in ("train", "validation")])
    documents = np.split(ids, np.flatnonzero(ids == tokenizer.end_of_text_id))
    texts = [tokenizer.decode(document) for document in documents]
    assert sorted(filter(None, texts)) == list(source.documents())
    assert store.vocab_size == tokenizer.vocab_size
    again, reopened = prepare(source, directory, split=split, **arguments)
    assert again.fingerprint == tokenizer.fingerprint
    assert reopened.manifest == store.manifest


def test_tokenizer_is_trained_on_the_training_split_only(corpus):
    (corpus / "z.txt").write_text("only here: ♞" * 10, encoding="utf-8")
    tokenizer, store = prepare(
        TextFiles(f"{corpus}/[cz].txt"),
        corpus / "tokens",
        tokenizer="character",
        split=ValidationSplit(0.1),
    )
    assert "♞" not in tokenizer.decode(tokenizer.encode("♞"))
    assert "Ω" in tokenizer.decode(tokenizer.encode("Ω"))


def test_second_call_reads_no_text(corpus, source, monkeypatch):
    prepare(source, corpus / "tokens", vocab_size=270)

    def refuse(self):
        raise AssertionError("the corpus was read")

    monkeypatch.setattr(TextFiles, "documents", refuse)
    prepare(source, corpus / "tokens", vocab_size=270)


@pytest.mark.parametrize(
    "arguments, difference",
    [
        ({"vocab_size": 271}, "vocab_size: 270 in the folder, 271 now"),
        ({"vocab_size": None, "tokenizer": "character"}, "kind: byte_pair"),
        ({"split": ValidationSplit(0.2)}, "fraction: 0.1 in the folder, 0.2"),
        ({"split": ValidationSplit(seed=1)}, "split/seed: 0"),
    ],
)
def test_other_settings_are_named(corpus, source, arguments, difference):
    prepare(source, corpus / "tokens", vocab_size=270)
    with pytest.raises(ValueError) as raised:
        prepare(source, corpus / "tokens", **({"vocab_size": 270} | arguments))
    assert difference in str(raised.value)
    assert str(corpus / "tokens") in str(raised.value)


def test_other_files_are_named(corpus, source):
    prepare(source, corpus / "tokens", vocab_size=270)
    (corpus / "a.txt").write_text("short now")
    with pytest.raises(ValueError, match="files/a.txt: .* 9 now"):
        prepare(source, corpus / "tokens", vocab_size=270)
    other = TextFiles(f"{corpus}/[bc].txt")
    with pytest.raises(ValueError, match="files/a.txt: .* None now"):
        prepare(other, corpus / "tokens", vocab_size=270)


def test_given_tokenizer_must_be_the_one_of_the_store(corpus, source):
    first, second = (train_byte_pair([TEXT], size) for size in (270, 280))
    prepare(source, corpus / "tokens", tokenizer=first)
    with pytest.raises(ValueError, match=f"{second.fingerprint} now"):
        prepare(source, corpus / "tokens", tokenizer=second)
    second.save(corpus / "tokens")
    with pytest.raises(ValueError, match="must have fingerprint"):
        prepare(source, corpus / "tokens", tokenizer=first)


def test_damage_is_noticed_on_re_use(corpus, source):
    prepare(source, corpus / "tokens", vocab_size=270)
    path = corpus / "tokens" / "train-00000.bin"
    data = bytearray(path.read_bytes())
    data[10] ^= 4
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="train-00000.bin' must have SHA-256"):
        prepare(source, corpus / "tokens", vocab_size=270)


def test_folder_with_something_else_is_refused_first(corpus, source):
    with pytest.raises(ValueError, match="missing or empty"):
        prepare(source, corpus, vocab_size=10**6)


@pytest.mark.parametrize("tokenizer", ["byte_pair", "character"])
def test_empty_corpus(tmp_path, tokenizer):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf")
    size = 270 if tokenizer == "byte_pair" else None
    with pytest.raises(ValueError, match="must have text"):
        prepare(
            TextFiles(f"{tmp_path}/a.txt"),
            tmp_path / "tokens",
            tokenizer=tokenizer,
            vocab_size=size,
        )
    assert not (tmp_path / "tokens").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"tokenizer": "words"},
        {"tokenizer": "byte_pair"},
        {"tokenizer": "character", "vocab_size": 270},
        {"tokenizer": train_byte_pair([TEXT], 280), "vocab_size": 270},
    ],
)
def test_tokenizer_and_its_size_must_fit(corpus, source, arguments):
    with pytest.raises(ValueError, match="`(tokenizer|vocab_size)` must be"):
        prepare(source, corpus / "tokens", **arguments)


def test_a_split_must_be_of_the_kind_of_its_source(corpus, source):
    (corpus / "pairs.tsv").write_text("a\tb\nc\td\n")
    files = PairFiles(str(corpus / "pairs.tsv"), columns=("prompt", "response"))
    pairs = PairSource(files, (find_template("pair"),), max_tokens=8)
    for wrong, split, kind in (
        (source, PairSplit(), "ValidationSplit"),
        (pairs, ValidationSplit(), "PairSplit"),
    ):
        with pytest.raises(ValueError, match=f"`split` must be a `{kind}`"):
            prepare(
                wrong, corpus / "tokens", tokenizer="character", split=split
            )
    assert not (corpus / "tokens").exists()


def test_counts_of_gpt2_tokens(tmp_path):
    """36,059 tokens of validation text, and the separator that ends it."""
    folder = os.environ.get("GPT_KERAS_DATA")
    if folder:
        source = TextFiles(f"{folder}/tinyshakespeare/input.txt")
        tokenizer = BytePairTokenizer.from_gpt2_files(
            f"{folder}/gpt2-bpe/encoder.json", f"{folder}/gpt2-bpe/vocab.bpe"
        )
        counts = (301_966, 36_059)
    else:
        (tmp_path / "input.txt").write_text("z" * 1000)
        source = TextFiles(f"{tmp_path}/input.txt")
        tokenizer = train_byte_pair([TEXT], 280)  # no merge has a "z"
        counts = (900, 100)
    _, store = prepare(source, tmp_path / "tokens", tokenizer=tokenizer)
    train, validation = (store.split(n) for n in ("train", "validation"))
    assert (train.num_tokens, validation.num_tokens - 1) == counts
    last = validation.read([validation.num_tokens - 1], 1)
    assert last.tolist() == [[tokenizer.end_of_text_id]]


def test_python_reference_without_validation(tmp_path):
    tokenizer, store = prepare(
        PythonReference(),
        tmp_path / "tokens",
        vocab_size=512,
        split=ValidationSplit(0),
    )
    train = TokenStore(tmp_path / "tokens").split("train")
    assert store.split_names == ["train"]
    topics = list(PythonReference().documents())
    assert train.num_documents == len(topics)
    assert train.num_bytes == len("".join(topics).encode())
    assert 4 < unigram_entropy(train) < np.log(512)


def test_unigram_entropy_is_that_of_the_frequencies():
    shares = np.array([1, 1, 2, 4]) / 8
    split = TokenSplit.from_array([0, 3, 5, 5, 7, 7, 7, 7], vocab_size=99)
    expected = -np.sum(shares * np.log(shares))
    assert unigram_entropy(split) == pytest.approx(expected, rel=1e-12)
    assert unigram_entropy(TokenSplit.from_array([4] * 10)) == 0


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def stopped():
    """Calls a function until a method is called, and once more to its end."""

    class Stopped(BaseException):
        pass

    def go_on(name, function):
        def stop(*arguments, **keywords):
            raise Stopped

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(UnfinishedStore, name, stop)
            with pytest.raises(Stopped):
                function()
        return function()

    return go_on


def prepare_small(source, directory, **settings):
    arguments = {"vocab_size": 270, "unit_characters": 500} | settings
    return prepare(source, directory, **arguments)


@pytest.mark.parametrize("name", ["complete", "_hand_over"])
def test_stopped_at_the_end_it_trains_no_tokenizer_again(
    corpus, source, stopped, monkeypatch, name
):
    prepare_small(source, corpus / "whole")
    trained = []
    train = preparation.train_byte_pair
    monkeypatch.setattr(
        preparation,
        "train_byte_pair",
        lambda *arguments: trained.append(1) or train(*arguments),
    )

    def twice():
        return prepare_small(source, corpus / "tokens")

    tokenizer, _ = stopped(name, twice)
    assert trained == [1]
    assert content(corpus / "tokens") == content(corpus / "whole")
    assert tokenizer.fingerprint == load_tokenizer(corpus / "whole").fingerprint
    assert not (corpus / "tokens.partial").exists()


def test_workers_change_nothing(corpus, source):
    prepare_small(source, corpus / "one")
    calls = []
    prepare_small(
        source,
        corpus / "two",
        workers=2,
        progress=lambda stage, counts: calls.append((stage, counts)),
    )
    assert content(corpus / "two") == content(corpus / "one")
    stages = list(dict.fromkeys(stage for stage, _ in calls))
    assert stages == ["measure", "vocabulary", "train", "validation"]
    for stage in stages[1:]:
        *_, last = (counts for name, counts in calls if name == stage)
        assert last["characters"] == last["total"]


def test_an_unfinished_store_of_another_vocabulary_is_kept(
    corpus, source, stopped
):
    def other():
        return prepare_small(source, corpus / "tokens", vocab_size=271)

    def first():
        return prepare_small(source, corpus / "tokens")

    with pytest.raises(ValueError, match="tokens.partial' holds unfinished"):
        stopped("complete", iter_calls(first, other))
    first()


def iter_calls(*functions):
    calls = iter(functions)
    return lambda: next(calls)()
