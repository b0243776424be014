"""Documents become shards, whole or not at all."""

import hashlib
import json
import resource

import numpy as np
import pytest

from gpt_keras.data import encoder_pool
from gpt_keras.data.splitting import SplitText
from gpt_keras.data.token_store import TokenStore
from gpt_keras.data.token_store_writing import write_token_store
from gpt_keras.text.character_tokenizer import CharacterTokenizer

TEXTS = ["one", "", "två", "three " * 40, "\n", "漢字"]
END = 256


def stream(texts):
    ids = [list(text.encode()) + [END] for text in texts]
    return np.array([token for document in ids for token in document])


def written_ids(store, name):
    split = store.split(name)
    return split.read([0], split.num_tokens)[0]


@pytest.fixture
def write(tmp_path, byte_tokenizer):
    def write(splits, **settings):
        settings = {"tokenizer": byte_tokenizer, "source": {}} | settings
        return write_token_store(tmp_path / "store", splits, **settings)

    return write


@pytest.mark.parametrize("unit_characters", [1, 7, 100, 2**26])
def test_every_document_is_followed_by_a_separator(write, unit_characters):
    splits = {"train": TEXTS, "validation": TEXTS[:2]}
    store = write(splits, unit_characters=unit_characters)
    for name, texts in splits.items():
        assert np.array_equal(written_ids(store, name), stream(texts))
        assert store.manifest["splits"][name]["documents"] == len(texts)
    shards = store.manifest["splits"]["train"]["shards"]
    assert (len(shards) > 1) == (unit_characters < 200)


def test_no_separator_where_a_document_goes_on(write):
    train = SplitText(lambda: iter([("ab", True), ("cd", False)]))
    store = write({"train": train, "validation": ["ef"]})
    joined = [written_ids(store, n) for n in ("train", "validation")]
    assert np.array_equal(np.concatenate(joined), stream(["ab", "cdef"]))
    assert store.manifest["splits"]["train"]["documents"] == 2


def test_manifest_describes_the_files(write, tmp_path, byte_tokenizer):
    store = write({"train": TEXTS}, source={"kind": "x"}, settings={"a": 1})
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text())
    assert manifest["source"] == {"kind": "x"}
    assert manifest["settings"] == {"a": 1}
    assert manifest["tokenizer"] == byte_tokenizer.fingerprint
    assert (manifest["vocab_size"], manifest["end_of_text_id"]) == (257, END)
    train = manifest["splits"]["train"]
    text = "".join(TEXTS)
    assert train["documents"] == len(TEXTS)
    assert train["tokens"] == len(stream(TEXTS))
    assert train["characters"] == len(text)
    assert train["bytes"] == len(text.encode())
    (shard,) = train["shards"]
    data = (tmp_path / "store" / shard["file"]).read_bytes()
    assert shard["sha256"] == hashlib.sha256(data).hexdigest()
    assert np.array_equal(np.frombuffer(data, "<u2"), stream(TEXTS))
    assert store.split("train").num_bytes == len(text.encode())
    assert (tmp_path / "store" / "tokenizer.json").exists()


class WideTokenizer:
    end_of_text_id = 0
    fingerprint = "wide"

    def __init__(self, vocab_size, ids=None):
        self.vocab_size = vocab_size
        self.ids = ids or [vocab_size - 1]

    def encode_batch(self, texts):
        return [np.array(self.ids, np.int32) for _ in texts]

    def save(self, directory):
        pass


@pytest.mark.parametrize(
    "vocab_size, dtype",
    [(2**16, "<u2"), (2**16 + 1, "<u4"), (2**31 - 1, "<u4")],
)
def test_ids_take_two_bytes_where_they_fit(write, vocab_size, dtype):
    store = write({"train": ["a"]}, tokenizer=WideTokenizer(vocab_size))
    assert store.manifest["dtype"] == dtype
    assert written_ids(store, "train").tolist() == [vocab_size - 1, 0]


@pytest.mark.parametrize("ids", [[3, -1], [10], [65546]])
def test_id_out_of_range_is_refused(write, tmp_path, ids):
    with pytest.raises(ValueError, match="from 0 to 9. Received"):
        write({"train": ["a"]}, tokenizer=WideTokenizer(10, ids))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("texts", [[], [""]])
def test_split_without_text_is_refused(write, texts):
    with pytest.raises(ValueError, match="none: 'validation'"):
        write({"train": ["a"], "validation": texts})


def test_units_lose_nothing_and_report(write):
    texts = [f"document {index}" for index in range(2500)]
    texts.insert(5, "long " * 3000)
    calls = []
    store = write(
        {"train": texts},
        unit_characters=5000,
        progress=lambda *call: calls.append(call),
    )
    assert np.array_equal(written_ids(store, "train"), stream(texts))
    assert len(calls) > 5
    assert all(name == "train" for name, _ in calls)
    for key in ("documents", "tokens", "characters", "bytes"):
        counts = [counts[key] for _, counts in calls]
        assert counts == sorted(counts)
        assert counts[-1] == store.manifest["splits"]["train"][key]
    assert calls[-1][1]["encoded_tokens"] == len(stream(texts))


def test_killed_run_leaves_no_store_and_no_obstacle(write, tmp_path):
    class Killed(BaseException):
        pass

    def dies():
        yield "text" * 300_000
        raise Killed

    with pytest.raises(Killed):
        write({"train": dies()})
    assert not list(tmp_path.iterdir())
    leftover = tmp_path / "store.partial"  # what SIGKILL leaves
    leftover.mkdir()
    (leftover / "train-00009.bin").write_bytes(b"half")
    write({"train": ["text"]})
    names = {path.name for path in (tmp_path / "store").iterdir()}
    assert names == {"manifest.json", "tokenizer.json", "train-00000.bin"}
    assert not leftover.exists()


def test_other_content_is_not_overwritten(write, tmp_path):
    (tmp_path / "store").mkdir()
    write({"train": ["an empty folder is fine"]})
    with pytest.raises(ValueError, match="missing or empty"):
        write({"train": ["again"]})
    assert TokenStore(tmp_path / "store").split_names == ["train"]


def test_unwritable_folder_is_named(tmp_path, byte_tokenizer):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        write_token_store(
            tmp_path / "file" / "store",
            {"train": ["a"]},
            tokenizer=byte_tokenizer,
            source={},
        )


@pytest.fixture
def small_disk():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_is_an_error_with_the_path(write, tmp_path, small_disk):
    with pytest.raises(OSError, match="store.partial"):
        write({"train": ["text" * 50_000]})
    assert not list(tmp_path.iterdir())


def test_sizes_out_of_range(write):
    with pytest.raises(ValueError, match="unit_characters=0"):
        write({"train": ["a"]}, unit_characters=0)
    with pytest.raises(ValueError, match="workers=-1"):
        write({"train": ["a"]}, workers=-1)


def test_a_worker_that_fails_is_told_and_leaves_nothing(
    write, tmp_path, monkeypatch
):
    monkeypatch.setattr(encoder_pool, "_PROGRAM", "exit('out of luck')")
    with pytest.raises(ChildProcessError, match="status 1.*out of luck"):
        write({"train": TEXTS}, tokenizer=CharacterTokenizer("a"), workers=2)
    assert not list(tmp_path.iterdir())


def test_workers_need_a_tokenizer_that_they_can_load(write, tmp_path):
    with pytest.raises(ValueError, match="tokenizer.json"):
        write({"train": TEXTS}, workers=2)
    assert not list(tmp_path.iterdir())
