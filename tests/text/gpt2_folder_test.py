"""Tests of `gpt_keras.text.gpt2_folder`."""

import json

import pytest
from text_testing import english

from gpt_keras.text.gpt2_folder import read_gpt2_folder
from gpt_keras.text.tokenizer_training import train_byte_pair


@pytest.fixture(scope="module")
def tokenizer():
    return train_byte_pair([english()], 300)


def _single(tokenizer, merges):
    """Hugging Face's single file."""
    content = tokenizer.content()
    ids = content["vocabulary"]
    return {
        "version": "1.0",
        "added_tokens": [
            {"content": x, "id": ids[x]} for x in content["special_tokens"]
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": ids, "merges": merges},
    }


@pytest.mark.parametrize("names", [None, ("encoder.json", "vocab.bpe")])
def test_two_files_are_read(tmp_path, tokenizer, names):
    tokenizer.save_gpt2_files(tmp_path)
    for old, new in zip(
        ("vocab.json", "merges.txt"), names or (), strict=False
    ):
        (tmp_path / old).rename(tmp_path / new)
    found = read_gpt2_folder(tmp_path)
    assert found.fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize("split", [True, False])
def test_the_single_file_is_read(tmp_path, tokenizer, split):
    merges = tokenizer.content()["merges"]
    merges = [x.split(" ") for x in merges] if split else merges
    content = json.dumps(_single(tokenizer, merges))
    (tmp_path / "tokenizer.json").write_text(content)
    found = read_gpt2_folder(tmp_path)
    assert found.fingerprint == tokenizer.fingerprint


def test_other_folders_have_none(tmp_path, tokenizer):
    assert read_gpt2_folder(tmp_path) is None
    tokenizer.save(tmp_path)
    assert read_gpt2_folder(tmp_path) is None


def test_added_tokens_follow_the_vocabulary(tmp_path, tokenizer):
    tokenizer.save_gpt2_files(tmp_path)
    size = tokenizer.vocab_size
    path = tmp_path / "added_tokens.json"
    path.write_text(json.dumps({"<b>": size + 1, "<a>": size}))
    found = read_gpt2_folder(tmp_path)
    assert found.special_tokens["<b>"] == size + 1
    path.write_text(json.dumps({"<b>": size + 5}))
    with pytest.raises(ValueError, match=f"must follow.*'<b>': {size + 5}"):
        read_gpt2_folder(tmp_path)
    path.write_text(json.dumps({"<b>": "300"}))
    with pytest.raises(ValueError, match="an id must be an integer"):
        read_gpt2_folder(tmp_path)


def _other(tokenizer, **fields):
    content = _single(tokenizer, tokenizer.content()["merges"])
    return {**content, **fields}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"model": {"type": "Unigram", "vocab": {}, "merges": []}}, "Unigram"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "'Whitespace'"),
        ({"pre_tokenizer": None}, "fields of a byte-level BPE"),
        ({"normalizer": {"type": "NFC"}}, "'NFC'"),
        ({"added_tokens": [{"id": 3}]}, "KeyError: 'content'"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, "256 b"),
    ],
)
def test_other_tokenizers_are_refused(tmp_path, tokenizer, fields, error):
    content = json.dumps(_other(tokenizer, **fields))
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=error):
        read_gpt2_folder(tmp_path)
