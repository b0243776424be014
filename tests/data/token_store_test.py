"""Windows are read right across shards, and damage is noticed."""

import os
import pathlib

import numpy as np
import pytest

from gpt_keras.data.token_manifest import read_manifest
from gpt_keras.data.token_manifest import write_manifest
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.data.token_store import TokenStore
from gpt_keras.data.token_store_writing import write_token_store

TEXT = "The quick brown fox. " * 10


@pytest.fixture
def folder(tmp_path, byte_tokenizer):
    write_token_store(
        tmp_path / "store",
        {"train": [TEXT, "second"], "validation": ["third"]},
        tokenizer=byte_tokenizer,
        source={},
        unit_characters=50,
    )
    return tmp_path / "store"


def test_windows_across_shards(folder):
    split = TokenStore(folder).split("train")
    whole = [*TEXT.encode(), 256, *b"second", 256]
    assert (split.num_tokens, split.num_documents) == (len(whole), 2)
    assert (split.num_bytes, split.end_of_text_id) == (len(TEXT) + 6, 256)
    for length in (1, 2, 49, 50, 51, 120, len(whole)):
        starts = np.arange(len(whole) - length + 1)
        windows = split.read(starts, length)
        assert windows.shape == (len(starts), length)
        assert windows.dtype == np.int32
        expected = [whole[s : s + length] for s in starts]
        assert windows.tolist() == expected


def test_split_from_an_array_reads_the_same(folder):
    split = TokenStore(folder).split("train")
    ids = split.read([0], split.num_tokens)[0]
    other = TokenSplit.from_array(ids, end_of_text_id=256)
    assert other.num_documents == split.num_documents
    assert other.vocab_size == split.vocab_size
    starts = [0, 48, 60]
    assert np.array_equal(other.read(starts, 30), split.read(starts, 30))


@pytest.mark.parametrize("starts, length", [([0, -1], 5), ([4, 6], 5)])
def test_window_out_of_range(starts, length):
    split = TokenSplit.from_array(np.arange(10))
    with pytest.raises(ValueError, match="within 0 to 10 tokens.*length=5"):
        split.read(starts, length)


def test_no_windows():
    assert TokenSplit.from_array([1, 2]).read([], 2).shape == (0, 2)


@pytest.mark.parametrize("ids", [[[1, 2]], [0.5, 1.0]])
def test_array_must_be_flat_integers(ids):
    with pytest.raises(ValueError, match="integers of shape"):
        TokenSplit.from_array(ids)


@pytest.mark.parametrize("ids", [[0, 5], [-1, 0]])
def test_array_must_fit_the_vocabulary(ids):
    with pytest.raises(ValueError, match="ids from 0 to 4"):
        TokenSplit.from_array(ids, vocab_size=5)


def test_unknown_split(folder):
    with pytest.raises(ValueError, match="'validation'.*name='test'"):
        TokenStore(folder).split("test")


def test_flipped_bit_is_noticed_in_every_shard(folder):
    for path in folder.glob("*.bin"):
        data = path.read_bytes()
        path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
        with pytest.raises(ValueError) as raised:
            TokenStore(folder)
        assert str(path) in str(raised.value)
        assert "SHA-256" in str(raised.value)
        TokenStore(folder, verify=False)
        path.write_bytes(data)
    TokenStore(folder)


def test_id_out_of_range_is_noticed_without_verification(folder):
    path = folder / "train-00001.bin"
    path.write_bytes(b"\xff\xff" + path.read_bytes()[2:])
    split = TokenStore(folder, verify=False).split("train")
    with pytest.raises(ValueError, match="ids from 0 to 256"):
        split.read([40], 20)


@pytest.mark.parametrize("verify", [True, False])
def test_cut_or_missing_shard(folder, verify):
    path = folder / "train-00002.bin"
    os.truncate(path, 98)
    with pytest.raises(ValueError, match="00002.bin' must have 104 bytes"):
        TokenStore(folder, verify=verify)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="00002.bin"):
        TokenStore(folder, verify=verify)


def test_opening_reads_nothing_and_maps_nothing(folder):
    """A sparse shard of 4 GB opens at once, and its last token is read."""
    manifest = read_manifest(folder)
    shard = manifest["splits"]["train"]["shards"][-1]
    shard["tokens"] = 2**31
    write_manifest(folder, manifest)
    os.truncate(folder / shard["file"], 2**32)
    split = TokenStore(folder, verify=False).split("train")
    assert split.num_tokens > 2**31
    assert split.read([split.num_tokens - 1], 1).tolist() == [[0]]
    assert shard["file"] not in pathlib.Path("/proc/self/maps").read_text()
