"""Pairs split by side, and stored so that only responses are learned."""

import collections
import json
import random

import numpy as np
import pytest

from gpt_keras.data.document_batches import DocumentBatches
from gpt_keras.data.pair_records import PairFiles
from gpt_keras.data.pairs import PairSource
from gpt_keras.data.pairs import PairSplit
from gpt_keras.data.pairs import split_pairs
from gpt_keras.data.preparation import prepare
from gpt_keras.data.response_loss import ResponseLoss
from gpt_keras.text.template import find_template


@pytest.fixture(scope="module")
def parallel(tmp_path_factory):
    """200 pairs; 40 English sentences and 60 Chinese ones."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = random.Random(0)
    pairs = [(rng.randrange(40), rng.randrange(60)) for _ in range(200)]
    (folder / "a.tsv").write_text(
        "".join(f"word {en}.\t字{zh}。\n" for en, zh in pairs)
    )
    return PairFiles(str(folder / "a.tsv"), columns=("en", "zh"))


def _source(records, *names, max_tokens=64, **settings):
    templates = tuple(find_template(name) for name in names)
    return PairSource(records, templates, max_tokens, **settings)


def _sides(split):
    examples = list(split.examples())
    prompts = collections.Counter(str(x.fields) for x in examples)
    return prompts, collections.Counter(x.response for x in examples)


@pytest.mark.parametrize("by", ["prompt", "response", "source"])
@pytest.mark.parametrize("size", [{"fraction": 0.2}, {"count": 23}])
def test_no_side_is_on_both_sides(parallel, by, size):
    source = _source(parallel, "translate:zh-en")
    splits = split_pairs(source, PairSplit(by=by, **size))
    prompts, responses = zip(*map(_sides, splits.values()), strict=True)
    both = responses if by == "response" else prompts
    assert not both[0].keys() & both[1].keys()
    train, held_out = (sum(x.values()) for x in prompts)
    assert train + held_out == 200
    if "count" in size:
        assert held_out == 23
    else:
        assert 10 <= held_out <= 80
    assert splits["validation"].num_pairs == held_out
    again = split_pairs(source, PairSplit(by=by, **size))
    assert _sides(again["validation"])[0] == prompts[1]
    other = split_pairs(source, PairSplit(by=by, seed=1, **size))
    assert _sides(other["validation"])[0] != prompts[1]


def test_both_directions_of_a_pair_stay_together(parallel):
    source = _source(parallel, "translate:zh-en", "translate:en-zh")
    splits = split_pairs(source, PairSplit())
    assert splits["train"].num_pairs + splits["validation"].num_pairs == 400
    first, second = list(splits["validation"].examples())[:2]
    assert first.response == second.fields["source"]
    assert second.response == first.fields["source"]


def test_another_file_to_validate_on(parallel, tmp_path):
    (tmp_path / "b.tsv").write_text("word 1.\t字1。\n")
    other = PairFiles(str(tmp_path / "b.tsv"), columns=("en", "zh"))
    source = _source(parallel, "translate:zh-en", validation=other)
    splits = split_pairs(source, PairSplit(fraction=0.5))
    assert splits["train"].num_pairs == 200
    assert [x.response for x in splits["validation"].examples()] == ["word 1."]
    assert "validation" in source.description


def test_texts_without_a_prompt_are_told_apart_by_themselves(tmp_path):
    poems = [{"paragraphs": [f"{n}，", "二。"]} for n in range(50)]
    (tmp_path / "a.json").write_text(json.dumps(poems))
    source = _source(PairFiles(str(tmp_path / "a.json")), "write")
    splits = split_pairs(source, PairSplit(count=7))
    assert (splits["train"].num_pairs, splits["validation"].num_pairs) == (
        43,
        7,
    )
    tokenizer, store = prepare(
        source,
        tmp_path / "tokens",
        tokenizer="character",
        split=PairSplit(count=7),
    )
    ids = store.split("validation").read([0], 30)[0]
    poem = next(splits["validation"].examples()).response
    assert tokenizer.decode(ids).startswith(poem)
    assert ids[len(poem)] == tokenizer.end_of_text_id


@pytest.mark.parametrize("fraction", [1e-9, 0.999999])
def test_few_pairs_are_on_both_sides(tmp_path, fraction):
    (tmp_path / "a.tsv").write_text("prompt\tresponse\na\tb\nc\td\n")
    source = _source(PairFiles(str(tmp_path / "a.tsv")), "pair")
    splits = split_pairs(source, PairSplit(fraction=fraction))
    assert [split.num_pairs for split in splits.values()] == [1, 1]


def test_wrong_splits_are_told(parallel, tmp_path):
    source = _source(parallel, "translate:zh-en")
    with pytest.raises(ValueError, match="held out by prompt, response or a"):
        split_pairs(source, PairSplit(by="context"))
    with pytest.raises(ValueError, match="200 pairs, 200 of them for valid"):
        split_pairs(source, PairSplit(count=200))
    (tmp_path / "b.tsv").write_text("")
    empty = PairFiles(str(tmp_path / "b.tsv"), columns=("en", "zh"))
    with pytest.raises(ValueError, match="There must be pairs. Received none"):
        split_pairs(_source(empty, "pair"), PairSplit())
    with pytest.raises(ValueError, match="`count` must not be negative"):
        PairSplit(count=-1)
    with pytest.raises(ValueError, match="one template or more, each once"):
        _source(parallel, "pair", "pair")


def test_what_a_store_gives_is_prompt_and_response(parallel, tmp_path):
    """Every pair once, with weight on its response and the end alone."""
    source = _source(parallel, "translate:zh-en", "translate:en-zh")
    tokenizer, store = prepare(
        source, tmp_path / "tokens", tokenizer="character"
    )
    loss = ResponseLoss.of(tokenizer)
    splits = split_pairs(source, PairSplit())
    for name, split in splits.items():
        wanted = collections.Counter()
        for example in split.examples():
            prompt = example.template.encode(tokenizer, example.fields)
            response = tokenizer.encode(example.response)
            wanted[tuple(prompt), (*response, tokenizer.end_of_text_id)] += 1
        batches = DocumentBatches(
            store.split(name), length=64, batch_size=4, loss=loss
        )
        found = collections.Counter()
        for ids, labels, weights in batches.epoch().as_numpy_iterator():
            for row, label, weight in zip(ids, labels, weights, strict=True):
                if weight.any():
                    places = np.flatnonzero(weight)
                    prompt = tuple(row[: places[0] + 1].tolist())
                    found[prompt, tuple(label[places].tolist())] += 1
                    assert (np.diff(places) == 1).all()
        assert found == wanted
    with pytest.raises(ValueError, match="templates:"):
        prepare(
            _source(parallel, "translate:zh-en"),
            tmp_path / "tokens",
            tokenizer="character",
        )


def test_too_long_pairs_are_cut_or_left_out(tmp_path):
    (tmp_path / "a.tsv").write_text(
        "prompt\tresponse\n" + "aaaaaa\tbb\naa\tbbbbbb\naa\tbbbbb\na\tb\n" * 9
    )
    source = _source(PairFiles(str(tmp_path / "a.tsv")), "pair", max_tokens=7)
    tokenizer, store = prepare(
        source,
        tmp_path / "tokens",
        tokenizer="character",
        split=PairSplit(fraction=0),
    )
    entry = store.manifest["splits"]["train"]
    assert (entry["documents"], entry["left_out"]) == (27, 9)
    assert entry["characters"] == 9 * (8 + 7 + 2)  # of the texts as they were
    split = store.split("train")
    ids = split.read([0], split.num_tokens)[0]
    ends = np.flatnonzero(ids == tokenizer.end_of_text_id)
    texts = [tokenizer.decode(x) for x in np.split(ids, ends + 1)][:-1]
    assert texts == ["aaabb", "bbbbb", "ab"] * 9  # 2 of 7 tokens are special
    with pytest.raises(ValueError, match="must fit into `length`: prepare"):
        DocumentBatches(
            split, length=5, batch_size=2, loss=ResponseLoss.of(tokenizer)
        )
    short = _source(PairFiles(str(tmp_path / "a.tsv")), "pair", max_tokens=2)
    with pytest.raises(ValueError, match="36 pairs in 'train', all of them"):
        prepare(
            short,
            tmp_path / "none",
            tokenizer="character",
            split=PairSplit(fraction=0),
        )


def test_a_tokenizer_without_the_special_tokens_is_refused(parallel, tmp_path):
    from gpt_keras.text.character_tokenizer import CharacterTokenizer

    with pytest.raises(ValueError, match="one without <|zh>en|>"):
        prepare(
            _source(parallel, "translate:zh-en"),
            tmp_path / "tokens",
            tokenizer=CharacterTokenizer("word"),
        )


def test_responses_that_do_not_match_are_left_out(tmp_path):
    path = tmp_path / "pairs.jsonl"
    texts = ["ab", "abc", "abcd", "ab\n", "xy", "zz"]
    rows = [json.dumps({"text": x}) for x in texts]
    path.write_text("\n".join(rows), encoding="utf-8")
    source = _source(PairFiles(str(path)), "write", response_pattern=r"\w\w")
    found = split_pairs(source, PairSplit(count=1))
    kept = [x.response for part in found.values() for x in part.examples()]
    assert sorted(kept) == ["ab", "xy", "zz"]
    assert source.settings["response_pattern"] == r"\w\w"
    with pytest.raises(ValueError, match=r"regular expression.*'\('"):
        _source(PairFiles(str(path)), "write", response_pattern="(")
