"""Documents from files, from a TensorFlow dataset and from Python itself."""

import json
import os
import sys

import pytest

from gpt_keras.data import text_decoding
from gpt_keras.data.sources import PythonReference
from gpt_keras.data.sources import TensorFlowDataset
from gpt_keras.data.sources import TextFiles


@pytest.fixture
def folder(tmp_path, monkeypatch):
    files = {
        "b.txt": b"second",
        "a.txt": b"\xef\xbb\xbffirst\r\nline",
        "empty.txt": b"",
        "deep/er/c.txt": b"third",
        "notes.md": b"notes",
        "[x].txt": b"brackets",
    }
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "pattern, texts",
    [
        ("a.txt", ["first\nline"]),
        ("[ab].txt", ["first\nline", "second"]),
        ("[x].txt", ["brackets"]),
        ("**/*.txt", ["brackets", "first\nline", "second", "third"]),
        ("b.txt, a.txt,./b.txt", ["first\nline", "second"]),
        ("notes.md,deep/**", ["third", "notes"]),
    ],
)
def test_files_are_read_sorted_and_once(folder, pattern, texts):
    source = TextFiles(pattern)
    assert list(source.documents()) == texts
    assert list(source.documents()) == texts


def test_description_is_the_same_from_another_folder(folder, monkeypatch):
    here = TextFiles("**/*.txt").description
    monkeypatch.chdir("/")
    there = TextFiles(f"{folder}/**/*.txt").description
    assert json.loads(json.dumps(here)) == there
    assert there["files"]["deep/er/c.txt"] == 5
    (folder / "b.txt").write_bytes(b"longer than before")
    assert TextFiles(f"{folder}/**/*.txt").description != there


@pytest.mark.parametrize("pattern", ["*.pdf", "a.txt,*.pdf", "", " , "])
def test_no_match_names_pattern_and_folder(folder, pattern):
    with pytest.raises(FileNotFoundError) as raised:
        list(TextFiles(pattern).documents())
    assert repr(str(folder)) in str(raised.value)
    assert not pattern.strip(" ,") or "'*.pdf'" in str(raised.value)


def test_folder_is_refused_with_the_pattern_for_its_files(folder):
    with pytest.raises(IsADirectoryError) as raised:
        list(TextFiles("deep").documents())
    assert repr(os.path.join("deep", "**", "*.txt")) in str(raised.value)


def test_file_that_is_not_utf8(folder):
    (folder / "b.txt").write_bytes(b"one\ncaf\xe9\n")
    with pytest.raises(ValueError, match="b.txt, line 2, byte offset 7"):
        list(TextFiles("*.txt").documents())
    texts = list(TextFiles("b.txt", errors="replace").documents())
    assert texts == ["one\ncaf\ufffd\n"]
    with pytest.raises(ValueError, match="errors='ignore'"):
        TextFiles("*.txt", errors="ignore")


def test_unreadable_file_is_named(folder):
    (folder / "gone.txt").symlink_to("nowhere")
    with pytest.raises(OSError, match="gone.txt"):
        list(TextFiles("gone.txt").documents())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder for `tiny_reviews`, which the library now knows by name."""
    import tensorflow_datasets as tfds

    class TinyReviews(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = [
            tfds.core.BuilderConfig(name="plain"),
            tfds.core.BuilderConfig(name="titled"),
        ]

        def _info(self):
            features = {
                "review": tfds.features.Text(),
                "stars": tfds.features.ClassLabel(num_classes=5),
                "words": tfds.features.Sequence(tfds.features.Text()),
            }
            if self.builder_config.name == "titled":
                features["title"] = tfds.features.Text()
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, download_manager):
            return {
                "train": self._generate_examples(6),
                "test": self._generate_examples(2),
            }

        def _generate_examples(self, count):
            for index in range(count):
                example = {
                    "review": f"review {index}\r\né",
                    "stars": 1,
                    "words": ["w"],
                }
                if self.builder_config.name == "titled":
                    example["title"] = f"title {index}"
                yield index, example

    return str(tmp_path_factory.mktemp("tensorflow_datasets"))


def test_dataset_gives_its_only_text_field(data_dir):
    source = TensorFlowDataset("tiny_reviews/plain", data_dir=data_dir)
    texts = list(source.documents())
    assert sorted(texts) == [f"review {index}\né" for index in range(6)]
    assert list(source.documents()) == texts
    json.dumps(source.description)


def test_dataset_split_and_field_are_chosen(data_dir):
    source = TensorFlowDataset(
        "tiny_reviews/titled", "test[:50%]", "title", data_dir
    )
    (title,) = source.documents()
    assert title in ("title 0", "title 1")
    other = TensorFlowDataset("tiny_reviews/titled", "test", "title")
    assert other.description != source.description


@pytest.mark.parametrize("field", [None, "stars", "words", "nothing"])
def test_dataset_fields_are_listed(data_dir, field):
    source = TensorFlowDataset(
        "tiny_reviews/titled", text_field=field, data_dir=data_dir
    )
    with pytest.raises(ValueError) as raised:
        list(source.documents())
    assert "['review', 'title']" in str(raised.value)
    assert f"text_field={field!r}" in str(raised.value)


@pytest.mark.parametrize(
    "name, split",
    [
        ("no_such_dataset_anywhere", "train"),
        ("tiny_reviews/plain:9.9.9", "train"),
        ("tiny_reviews/plain", "holdout"),
        ("tiny_reviews/plain", "train[:200%]"),
        ("not a name", "train"),
    ],
)
def test_unknown_dataset_or_split(data_dir, name, split):
    source = TensorFlowDataset(name, split, data_dir=data_dir)
    with pytest.raises(ValueError) as raised:
        list(source.documents())
    assert repr(name) in str(raised.value)
    assert len(str(raised.value)) < 500


def test_python_reference_is_prose_in_the_order_of_topics():
    source = PythonReference()
    texts = list(source.documents())
    assert texts == list(source.documents())
    assert 400_000 < sum(map(len, texts)) < 600_000
    assert texts[0].startswith('The "assert" statement')
    assert source.description["characters"] == sum(map(len, texts))


def test_missing_python_reference_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(ImportError, match="without its language reference"):
        list(PythonReference().documents())


def test_missing_tensorflow_datasets_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match="pip install tensorflow-datasets"):
        list(TensorFlowDataset("tiny_shakespeare").documents())


def test_a_large_file_comes_in_pieces(folder, monkeypatch):
    monkeypatch.setattr(text_decoding.decode_file, "__defaults__", (50,))
    text = "some words and\n  a line\n" * 40
    (folder / "b.txt").write_text(text)
    source = TextFiles("[ab].txt")
    pieces = list(source.pieces())
    assert pieces[0] == ("first\nline", True)
    assert len(pieces) > 10
    assert [ends for _, ends in pieces[1:]] == [False] * (len(pieces) - 2) + [
        True
    ]
    assert list(source.documents()) == ["first\nline", text]
