"""Records out of files of every form, and errors that name file and line."""

import json

import numpy as np
import pytest

from gpt_keras.data.pair_records import PairDataset
from gpt_keras.data.pair_records import PairFiles


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _values(*arguments, **settings):
    return [x.values for x in PairFiles(*arguments, **settings).records()]


def test_lines_of_json(folder):
    (folder / "a.jsonl").write_bytes(
        b'\xef\xbb\xbf{"prompt": "a\xc3\xa9", "response": "b"}\r\n\n{"x": [1]}'
    )
    records = list(PairFiles("*.jsonl").records())
    assert [x.values for x in records] == [
        {"prompt": "aé", "response": "b"},
        {"x": [1]},
    ]
    assert [x.where for x in records] == ["a.jsonl, line 1", "a.jsonl, line 3"]


def test_columns_by_the_first_line_or_by_name(folder):
    (folder / "a.tsv").write_text('en\tzh\nHi.\t嗨。\n"No"\t不\n')
    assert _values("a.tsv") == [
        {"en": "Hi.", "zh": "嗨。"},
        {"en": '"No"', "zh": "不"},
    ]
    (folder / "b.txt").write_text("to title\tlong\tshort\tmore\n")
    named = _values("b.txt", columns=("", "document", "summary"))
    assert named == [{"document": "long", "summary": "short"}]


def test_lines_side_by_side(folder):
    for name, text in {
        "1.en": "a\nb\n",
        "1.de": "x\ny",
        "2.en": "c",
        "2.de": "z\n",
    }.items():
        (folder / name).write_text(text)
    pairs = [{"en": "a", "de": "x"}, {"en": "b", "de": "y"}]
    assert _values("1.en,1.de") == pairs
    assert _values("*.en,*.de") == [*pairs, {"en": "c", "de": "z"}]
    assert _values("1.en,1.de", columns=("one", ""))[0] == {"one": "a"}
    records = list(PairFiles("1.en,1.de").records())
    assert records[1].where == "1.en, line 2; 1.de, line 2"
    for end, message in [
        ("2.de", "1.en, line 2, which 2.de does not have"),
        ("1.en", "must end differently"),
    ]:
        (folder / "copy").mkdir(exist_ok=True)
        (folder / "copy/1.en").write_text("a\n")
        other = end if end == "2.de" else "copy/1.en"
        with pytest.raises(ValueError, match=message):
            _values(f"1.en,{other}")
    with pytest.raises(ValueError, match="which gives 2, 1 files"):
        _values("*.en,1.de")
    with pytest.raises(ValueError, match="which gives 1 files"):
        _values("1.en")


def test_questions_of_squad_and_lists_of_objects(folder):
    squad = {
        "version": "v2.0",
        "data": [
            {
                "title": "t",
                "paragraphs": [
                    {
                        "context": "c",
                        "qas": [
                            {
                                "id": "1",
                                "question": "q",
                                "answers": [{"text": "a", "answer_start": 0}],
                            },
                            {"id": "2", "question": "r", "answers": []},
                        ],
                    }
                ],
            }
        ],
    }
    (folder / "a.json").write_text(json.dumps(squad))
    assert _values("a.json") == [
        {"context": "c", "question": "q", "answers": ["a"], "id": "1"},
        {"context": "c", "question": "r", "answers": [], "id": "2"},
    ]
    (folder / "b.json").write_text('[{"prompt": "a"}, {"prompt": "b"}]')
    assert _values("b.json") == [{"prompt": "a"}, {"prompt": "b"}]
    del squad["data"][0]["paragraphs"][0]["qas"]
    (folder / "a.json").write_text(json.dumps(squad))
    with pytest.raises(ValueError, match="a.json must have data.*'qas'"):
        _values("a.json")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": ', "a.jsonl, line 2 must be JSON"),
        ("a.jsonl", "{}\n\n[1]", "a.jsonl, line 3 must be a JSON object"),
        ("a.jsonl", "{}\n\udcff", "a.jsonl, line 2, byte offset 3"),
        ("a.json", "[{},\n{]", "a.json must be JSON.*line 2"),
        ("a.json", "[{}, 3]", "a.json, record 2 must be a JSON object"),
        ("a.json", '{"a": 1}', "a.json must hold a list"),
        ("a.tsv", "a\tb\nx\n", "a.tsv, line 2 must have 2 columns"),
        ("a.tsv", "a\ta\nx\ty\n", "a.tsv, line 1 must name the columns"),
    ],
)
def test_bad_lines_are_named(folder, name, text, message):
    (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=message):
        _values(name)


def test_wrong_settings_are_told(folder):
    with pytest.raises(FileNotFoundError, match="No files match 'a.jsonl'"):
        _values("a.jsonl")
    with pytest.raises(ValueError, match="one of jsonl, json, tsv, parallel"):
        PairFiles("a", form="csv")
    with pytest.raises(ValueError, match="different names"):
        PairFiles("a", columns=("en", "", "", "en"))


def test_description_names_files_and_sizes(folder):
    (folder / "a.en").write_text("a")
    (folder / "a.de").write_text("bc")
    found = PairFiles("a.en,a.de").description
    assert found["files"] == {"a.en": 1, "a.de": 2}
    assert found["kind"] == "pair_files"


def test_a_dataset_gives_text_at_every_depth(tmp_path):
    import tensorflow_datasets as tfds

    class TinyAnswers(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            text = tfds.features.Text()
            answers = {"text": text, "answer_start": np.int32}
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(
                    {
                        "context": text,
                        "question": text,
                        "answers": tfds.features.Sequence(answers),
                    }
                )
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for number, answers in enumerate([["嗨", "b"], []]):
                yield (
                    number,
                    {
                        "context": "c",
                        "question": f"q{number}",
                        "answers": {
                            "text": answers,
                            "answer_start": [0] * len(answers),
                        },
                    },
                )

    source = PairDataset("tiny_answers", data_dir=str(tmp_path))
    records = sorted(source.records(), key=lambda x: x.values["question"])
    texts = [x.values["answers"]["text"] for x in records]
    assert texts == [["嗨", "b"], []]
    assert records[0].values["question"] == "q0"
    assert "tiny_answers train, example" in records[0].where
    with pytest.raises(ValueError, match="'tiny_answers' can't be read"):
        list(PairDataset("tiny_answers", "no", str(tmp_path)).records())
