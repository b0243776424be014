"""A store whose making is killed is gone on with, to the same bytes."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import limited_process
import pytest

from gpt_keras.data.splitting import SplitText
from gpt_keras.data.token_store import TokenStore
from gpt_keras.data.token_store_writing import write_token_store
from gpt_keras.data.unfinished_store import UnfinishedStore
from gpt_keras.text.tokenizer_training import train_byte_pair

PROGRAM = pathlib.Path(__file__).with_name("sharding_program.py")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Documents smaller and larger than a unit, and a tokenizer's folder."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = random.Random(0)
    words = ["one", "two ", "three\n", "  ", "漢字", "don't", "\n\n"]
    for number, length in enumerate([1, 20, 3000, 5, 700, 1500]):
        text = " ".join(rng.choices(words, k=length))
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    texts = [path.read_text() for path in sorted(folder.glob("*.txt"))]
    train_byte_pair(texts, 280).save(folder / "tokenizer")
    return folder


def start(*arguments):
    paths = os.pathsep.join(sys.path)
    return limited_process.started(
        [sys.executable, PROGRAM, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments):
    with start(*arguments) as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    return output


def content(store):
    return {path.name: path.read_bytes() for path in store.iterdir()}


@pytest.fixture(scope="module")
def whole(corpus):
    """The store that nobody disturbed."""
    run("whole", f"{corpus}/*.txt", corpus / "tokenizer", corpus / "whole", 0)
    return content(corpus / "whole")


def test_killed_three_times_it_writes_the_same_bytes(corpus, whole):
    """By SIGKILL, with two workers, at instants that the clock chose."""
    store, partial = corpus / "killed", corpus / "killed.partial"
    arguments = "whole", f"{corpus}/*.txt", corpus / "tokenizer", store, 2

    def records():
        return {path: path.stat() for path in partial.glob("*/*-*.json")}

    rng = random.Random(0)
    for _ in range(3):
        before = records()
        with start(*arguments) as process:
            while len(records()) <= len(before) and process.poll() is None:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.01))
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        assert process.returncode == -signal.SIGKILL
    finished = records()
    assert len(finished) >= 3
    shards = {
        path.name: path.stat().st_mtime_ns
        for path in partial.glob("*.bin")
        if partial / "unfinished" / f"{path.stem}.json" in finished
    }
    run(*arguments)
    assert content(store) == whole
    for name, time_written in shards.items():  # none was written again
        assert (store / name).stat().st_mtime_ns == time_written


def test_ended_at_every_change_of_a_file_it_writes_the_same_bytes(
    corpus, whole
):
    pattern = f"{corpus}/[0134].txt"
    folder = corpus / "instants"
    folder.mkdir()
    count = int(run("each_instant", pattern, corpus / "tokenizer", folder))
    assert count > 30
    stores = [content(path) for path in sorted(folder.iterdir())]
    assert len(stores) == count  # nothing else lies there
    assert all(store == stores[-1] for store in stores)


@pytest.mark.parametrize("workers", [1, 3])
def test_bytes_do_not_depend_on_the_number_of_workers(corpus, whole, workers):
    store = corpus / f"workers{workers}"
    arguments = f"{corpus}/*.txt", corpus / "tokenizer", store, workers
    run("whole", *arguments)
    assert content(store) == whole


class Stopped(BaseException):
    pass


@pytest.fixture
def begun(tmp_path, byte_tokenizer):
    """A store whose making was stopped after three shards."""
    texts = [character * 100 for character in "abcdef"]

    def stops():
        yield from ((text, True) for text in texts[:3])
        raise Stopped

    def write(pieces=None, tokenizer=byte_tokenizer, **settings):
        pieces = pieces or (lambda: iter((text, True) for text in texts))
        settings = {"unit_characters": 50} | settings
        return write_token_store(
            tmp_path / "store",
            {"train": SplitText(pieces)},
            tokenizer=tokenizer,
            source={},
            **settings,
        )

    with pytest.raises(Stopped):
        write(stops)
    assert len(list((tmp_path / "store.partial").glob("*.bin"))) == 3
    return write


class Counting:
    """Counts the texts that a tokenizer encodes."""

    def __init__(self, tokenizer):
        self._tokenizer, self.texts = tokenizer, []

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)

    def encode_batch(self, texts):
        self.texts += texts
        return self._tokenizer.encode_batch(texts)


def test_what_is_finished_is_not_encoded_again(begun, byte_tokenizer):
    tokenizer = Counting(byte_tokenizer)
    calls = []
    begun(tokenizer=tokenizer, progress=lambda _, counts: calls.append(counts))
    assert [text[0] for text in tokenizer.texts] == ["d", "e", "f"]
    assert calls[-1]["tokens"] == 6 * 101
    assert calls[-1]["encoded_tokens"] == 3 * 101


def _flip(path):
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda partial: _flip(partial / "train-00001.bin"),
        lambda partial: os.truncate(partial / "train-00001.bin", 7),
        lambda partial: os.unlink(partial / "train-00001.bin"),
        lambda partial: os.truncate(
            partial / "unfinished" / "train-00001.json", 30
        ),
    ],
)
def test_a_damaged_shard_is_encoded_again(
    begun, byte_tokenizer, tmp_path, damage
):
    damage(tmp_path / "store.partial")
    tokenizer = Counting(byte_tokenizer)
    split = begun(tokenizer=tokenizer).split("train")
    assert [text[0] for text in tokenizer.texts] == ["b", "d", "e", "f"]
    ids = split.read([0], split.num_tokens)[0]
    assert bytes(ids[ids < 256].tolist()) == b"".join(
        x * 100 for x in [b"a", b"b", b"c", b"d", b"e", b"f"]
    )


def test_a_text_that_changed_is_encoded_again(begun, byte_tokenizer):
    tokenizer = Counting(byte_tokenizer)
    begun(
        lambda: iter([("a" * 100, True), ("B" * 100, True)]),
        tokenizer=tokenizer,
    )
    assert [text[0] for text in tokenizer.texts] == ["B"]


def test_shards_that_depend_on_something_else_are_refused(begun, tmp_path):
    partial = tmp_path / "store.partial"
    before = content(partial / "unfinished")
    with pytest.raises(ValueError, match="store.partial' holds unfinished"):
        begun(unit_characters=60)
    assert content(partial / "unfinished") == before  # nothing is lost
    journal = partial / "unfinished" / "journal.json"
    journal.write_text(json.dumps({"units": "other"}))
    with pytest.raises(ValueError, match="other there"):
        begun()


def test_a_store_that_cannot_get_its_name_is_kept(begun, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "not here", *arguments)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError, match="store.partial"):
        begun()
    monkeypatch.undo()
    (tmp_path / "store").mkdir()  # an empty one is no obstacle
    UnfinishedStore(tmp_path / "store").complete_interrupted()
    assert TokenStore(tmp_path / "store").split("train").num_tokens == 606
    assert not (tmp_path / "store.partial").exists()


def test_two_at_once_are_refused_and_the_first_is_not_disturbed(
    tmp_path, byte_tokenizer
):
    def write(texts):
        return write_token_store(
            tmp_path / "store",
            {"train": texts},
            tokenizer=byte_tokenizer,
            source={},
        )

    def texts():
        yield "before"
        with pytest.raises(ValueError, match="store.partial', and another"):
            write(["by another"])
        yield "after"

    split = write(texts()).split("train")
    ids = split.read([0], split.num_tokens)[0].tolist()
    assert ids == [*b"before", 256, *b"after", 256]
