"""Tests of `gpt_keras.data.shared_store`."""

import shutil

import pytest

from gpt_keras.data import shared_store
from gpt_keras.data.preparation import prepare
from gpt_keras.data.shared_store import open_shared
from gpt_keras.data.sources import TextFiles


@pytest.fixture
def made(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("one two three " * 40)
    return prepare(
        TextFiles(str(text)), tmp_path / "made", tokenizer="character"
    )


def test_opens_what_another_host_made_once_it_shows_up(
    made, tmp_path, monkeypatch
):
    tokenizer, store = made

    def pause(seconds):
        shutil.copytree(store.directory, tmp_path / "here")

    monkeypatch.setattr(shared_store.time, "sleep", pause)
    digest = store.manifest["sha256"]
    other_tokenizer, other = open_shared(tmp_path / "here", digest)
    assert other.manifest == store.manifest
    assert other_tokenizer.fingerprint == tokenizer.fingerprint


def test_another_store_or_none_is_refused(made, tmp_path):
    digest = made[1].manifest["sha256"]
    with pytest.raises(ValueError, match="Received: nothing"):
        open_shared(tmp_path / "here", digest, seconds=0)
    with pytest.raises(ValueError, match=f"Received: {digest} in place of 0"):
        open_shared(made[1].directory, "0", seconds=0)
