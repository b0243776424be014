"""Several token stores are one corpus, if they are of one vocabulary."""

import fractions

import numpy as np
import pytest

from gpt_keras.data.pipeline import training_batches
from gpt_keras.data.token_sources import TokenSources
from gpt_keras.data.token_sources import identity
from gpt_keras.data.token_sources import parse_sources
from gpt_keras.data.token_store_writing import write_token_store
from gpt_keras.text.character_tokenizer import CharacterTokenizer

LETTERS = {"a": "a" * 5000, "b": "b" * 3000, "c": "c" * 2000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stores of one letter each; the last one has no validation split."""
    folder = tmp_path_factory.mktemp("stores")
    tokenizer = CharacterTokenizer("abc")
    for name, text in LETTERS.items():
        splits = {"train": [text], "validation": [text[:100]]}
        if name == "c":
            del splits["validation"]
        write_token_store(
            folder / name, splits, tokenizer=tokenizer, source={"name": name}
        )
    write_token_store(
        folder / "other",
        {"train": ["ab"]},
        tokenizer=CharacterTokenizer("ab"),
        source={},
    )
    return folder


def test_batches_have_their_shares(folder):
    sources = TokenSources(f"{folder}/a=0.5,{folder}/b=0.25, {folder}/c=0.25")
    splits = sources.splits()
    batches = training_batches(
        splits["train"],
        length=10,
        batch_size=4,
        seed=0,
        num_steps=20,
        start_step=10**7,
        mixture=sources.mixture,
    )
    for token_ids, _, _ in batches.as_numpy_iterator():
        letters = np.sort(token_ids[:, 5])
        assert letters.tolist() == [0, 0, 1, 2]
    assert splits["validation"].num_tokens == 2 * 101
    assert list(sources.parts("validation")) == [f"{folder}/a", f"{folder}/b"]
    assert sources.tokenizer.decode([0, 1, 2]) == "abc"
    lines = sources.describe(1000, 10)
    assert (
        lines[0] == f"{folder}/a: 5,001 tokens, 50.0% of the run, 1.00 epochs"
    )


def test_one_folder_is_one_source(folder):
    sources = TokenSources(f"{folder}/a")
    assert sources.mixture.weights == (1,)
    assert sources.splits()["train"].num_tokens == 5001


def test_without_weights_a_source_counts_by_its_size(folder):
    shares = TokenSources(f"{folder}/a,{folder}/b").mixture.shares()
    assert shares == pytest.approx([5001 / 8002, 3001 / 8002], abs=1e-5)


def test_identity_is_that_of_the_tokens_and_weights(folder, monkeypatch):
    def of(text):
        return identity(TokenSources(text).facts)

    first = of(f"{folder}/a=3,{folder}/b=1")
    monkeypatch.chdir(folder)
    assert of("a=0.75,./b=0.25") == first
    assert of("a=3,b=2") != first
    assert of("a=3,c=1") != first


def test_facts_name_the_sources_and_no_folder_above(folder):
    facts = TokenSources(f"{folder}/a=3,{folder}/b=1").facts
    assert [fact["name"] for fact in facts] == ["a", "b"]
    assert facts[1]["manifest"]["source"] == {"name": "b"}
    assert facts[1]["manifest"]["splits"]["train"]["tokens"] == 3001
    assert str(folder) not in str(facts)


def test_another_vocabulary_is_refused(folder):
    with pytest.raises(ValueError, match="same tokenizer.*other"):
        TokenSources(f"{folder}/a,{folder}/other")


def test_a_missing_folder_is_named(folder):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        TokenSources(f"{folder}/a,{folder}/nowhere")


def test_folders_and_weights_are_parsed():
    half = fractions.Fraction(1, 2)
    assert parse_sources("a=.5,b/=0.50") == {"a": half, "b": half}
    assert parse_sources("x=y") == {"x=y": None}
    assert parse_sources("x=y=2") == {"x=y": 2}


@pytest.mark.parametrize(
    "text", ["", "a,", "a=1,b", "a,./a", "=3", "a=1,a=2", ","]
)
def test_what_is_no_list_of_folders(text):
    with pytest.raises(ValueError, match="`tokens` must be a folder"):
        parse_sources(text)
