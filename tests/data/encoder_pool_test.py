"""Texts are encoded in other processes; one that ends is an error."""

import os
import pathlib
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gpt_keras.data.encoder_pool import EncoderPool
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXTS = ["one two", "", "漢字 don't\n\n  x", "two " * 9000]


def children():
    """Processes that any thread of this one started."""
    lists = pathlib.Path("/proc/self/task").glob("*/children")
    return {int(pid) for path in lists for pid in path.read_text().split()}


@pytest.mark.parametrize(
    "tokenizer",
    [train_byte_pair(TEXTS, 270), CharacterTokenizer("onetw 字", ["<x>"])],
)
def test_ids_are_the_tokenizers_from_every_thread(tmp_path, tokenizer):
    tokenizer.save(tmp_path)
    before = children()
    with EncoderPool(tmp_path, 2) as pool, ThreadPoolExecutor(2) as threads:
        assert children() == before  # none is started before it is needed
        for found in threads.map(pool.encode_batch, [TEXTS] * 6):
            expected = tokenizer.encode_batch(TEXTS)
            for ids, other in zip(found, expected, strict=True):
                assert np.array_equal(ids, other)
        assert 1 <= len(children() - before) <= 2
        for pid in children() - before:
            maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
            assert "tensorflow" not in maps
    assert children() == before


def test_a_worker_that_ends_is_told(tmp_path):
    CharacterTokenizer("ab").save(tmp_path)
    before = children()
    with EncoderPool(tmp_path, 1) as pool:
        pool.encode_batch(["ab"])
        (worker,) = children() - before
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(ChildProcessError, match="by signal 9.*start again"):
            pool.encode_batch(["ab" * 100_000])
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="kind"):
        EncoderPool(tmp_path, 1)


def test_what_a_worker_prints_is_told(tmp_path):
    CharacterTokenizer("ab").save(tmp_path)
    with EncoderPool(tmp_path, 1) as pool:
        (tmp_path / "tokenizer.json").unlink()
        with pytest.raises(ChildProcessError, match="status 1.*tokenizer.json"):
            pool.encode_batch(["ab"])
