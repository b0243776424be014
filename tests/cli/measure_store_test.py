"""Tests of `gpt_keras.cli.measure_store` on a small store."""

import pytest

from gpt_keras.cli import measure_store
from gpt_keras.cli import program
from gpt_keras.data import verification
from gpt_keras.data.token_store import TokenStore


def test_figures_of_a_small_store(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_store, "_SHARD_TOKENS", 30_000)
    monkeypatch.setattr(verification, "_SETTLED", 0)
    measure_store.write_random_store(tmp_path, 0.0002, 64)
    split = TokenStore(tmp_path, verify=True).split("train")
    assert split.num_tokens == 100_000
    assert 60 <= split.read([0], 100_000).max() < 64
    found = measure_store.measure(
        tmp_path, max_length=16, batch_size=4, first_step=10**8, batches=150
    )
    assert (found["tokens"], found["shards"]) == (100_000, 4)
    assert all(figure >= 0 for figure in found.values())
    assert found["peak_memory_bytes"] > found["anonymous_memory_bytes"] > 0


@pytest.mark.parametrize(
    "argument, message",
    [
        ("--gigabytes=1e9", "must have room"),
        ("--gigabytes=0", "gigabytes=0"),
        ("--vocab_size=70000", "vocab_size=70000"),
    ],
)
def test_bad_input_is_named(tmp_path, argument, message):
    values = program.parse(
        measure_store.define_flags, f"--directory={tmp_path}", argument
    )
    with pytest.raises(ValueError, match=message):
        measure_store.main(values)
    assert not list(tmp_path.iterdir())
