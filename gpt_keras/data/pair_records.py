"""Files of pairs or a TensorFlow dataset in, records with their places out.

A record is a mapping from column to value, as the file has it.
"""

import dataclasses
import itertools
import json
import os
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import Protocol

from gpt_keras.data.dataset_library import open_builder
from gpt_keras.data.dataset_library import read_split
from gpt_keras.data.file_patterns import matching_files
from gpt_keras.data.file_patterns import sizes_of
from gpt_keras.data.file_patterns import split_patterns
from gpt_keras.data.text_decoding import check_errors
from gpt_keras.data.text_decoding import decode_text

FORMS = ("jsonl", "json", "tsv", "parallel")
_BY_ENDING = {".jsonl": "jsonl", ".json": "json", ".tsv": "tsv", ".txt": "tsv"}


@dataclasses.dataclass(frozen=True)
class Record:
    """A line of a file, or what stands for one.

    Attributes:
        where: What to call its place in an error.
        values: Column → value.
    """

    where: str
    values: Mapping[str, Any]


class RecordSource(Protocol):
    """Where records come from, the same ones every time."""

    @property
    def description(self) -> dict:
        """What gives the same records, for JSON."""
        ...

    def records(self) -> Iterator[Record]:
        """Gives the records in their order."""
        ...


@dataclasses.dataclass(frozen=True)
class PairFiles:
    r"""Records in files of UTF-8.

    - `jsonl`: a JSON object in each line.
    - `json`: one list of objects; or `{"data": …}` as SQuAD has it, with a
      record for each question: `context`, `question`, `answers`, `id`.
    - `tsv`: columns parted by tabs, nothing is quoted. Their names are those
      of the first line, unless `columns` names them.
    - `parallel`: several files, whose lines of one number are a record, as
      `train.en,train.de`. A column is called as its file ends, unless
      `columns` names them.

    Args:
        pattern: A path or glob, or several separated by commas.
        form: One of the four; empty chooses by the ending: `.jsonl`, `.json`,
            `.tsv` or `.txt` for `tsv`, everything else is `parallel`.
        columns: The names of the columns, in their order; an empty name leaves
            one out, and columns behind the last name are left out.
        errors: As for `TextFiles`.

    Raises:
        FileNotFoundError: A pattern matches no file.
        IsADirectoryError: A pattern without wildcards names a folder.
        ValueError: A file or a line of it is not of the form; the message
            names both.

    Example:
        >>> for record in PairFiles("train.en,train.de").records(): ...
    """

    pattern: str
    form: str = ""
    columns: tuple[str, ...] = ()
    errors: str = "strict"

    def __post_init__(self):
        check_errors(self.errors)
        if self.form and self.form not in FORMS:
            raise ValueError(
                f"The form of pairs must be one of {', '.join(FORMS)}. "
                f"Received: {self.form!r}."
            )
        names = [name for name in self.columns if name]
        if len(set(names)) < len(names):
            raise ValueError(
                f"Columns must have different names. Received: {names}."
            )

    @property
    def description(self) -> dict:
        """Names below their common folder, sizes, form and columns."""
        paths = [path for group in self._groups() for path in group]
        return {
            "kind": "pair_files",
            "errors": self.errors,
            "form": self.form,
            "columns": list(self.columns),
            "files": sizes_of(paths),
        }

    def records(self) -> Iterator[Record]:
        """Reads the files one after the other."""
        for group in self._groups():
            form = self.form or _form_of(group)
            yield from _READERS[form](self, group)

    def _groups(self) -> list[tuple[str, ...]]:
        """The files that are read together."""
        parts = split_patterns(self.pattern)
        endings = {_form_of([part]) for part in parts}
        if (self.form or "parallel") != "parallel" or (
            not self.form and endings != {"parallel"}
        ):
            return [(path,) for path in matching_files(self.pattern)]
        columns = [matching_files(part) for part in parts]
        if len(columns) < 2 or len(set(map(len, columns))) > 1:
            raise ValueError(
                "Parallel files must be as many for each column, and columns "
                "two or more, separated by commas. Received: "
                f"{self.pattern!r}, which gives "
                f"{', '.join(map(str, map(len, columns)))} files."
            )
        return list(zip(*columns, strict=True))

    def lines(self, path: str) -> Iterator[tuple[str, str]]:
        """Gives the place and the text of each line."""
        number = offset = 0
        with open(path, "rb") as file:
            for data in file:
                text = decode_text(
                    data, path, self.errors, lines=number, offset=offset
                )
                number, offset = number + 1, offset + len(data)
                yield f"{path}, line {number}", text.removesuffix("\n")


@dataclasses.dataclass(frozen=True)
class PairDataset:
    """The examples of a TensorFlow dataset.

    It is downloaded and prepared on first use, as `tfds.load` does.

    Args:
        name: A name as `tfds.load` takes it, such as `"squad/v1.1"`.
        split: A split as `tfds.load` takes it.
        data_dir: Where datasets are kept; None is the library's own folder.
        errors: As for `TextFiles`.

    Raises:
        ValueError: Name or split are unknown, or text is not UTF-8.
        ImportError: The package `tensorflow-datasets` is missing.
    """

    name: str
    split: str = "train"
    data_dir: str | None = None
    errors: str = "strict"

    def __post_init__(self):
        check_errors(self.errors)

    @property
    def description(self) -> dict:
        """What was asked for; the dataset itself is not looked at."""
        return {
            "kind": "pair_dataset",
            "name": self.name,
            "split": self.split,
            "errors": self.errors,
        }

    def records(self) -> Iterator[Record]:
        """Prepares the dataset where need be and reads it in order."""
        builder = open_builder(self.name, self.data_dir)
        examples = read_split(builder, self.name, self.split)
        for index, example in enumerate(examples.as_numpy_iterator()):
            where = f"{self.name} {self.split}, example {index}"
            yield Record(where, self._text(example, where))

    def _text(self, value, where: str):
        """Decodes every text of an example."""
        if isinstance(value, dict):
            return {key: self._text(x, where) for key, x in value.items()}
        if isinstance(value, bytes):
            return decode_text(value, where, self.errors)
        if hasattr(value, "tolist"):
            return self._text(value.tolist(), where)
        if isinstance(value, list | tuple):
            return [self._text(x, where) for x in value]
        return value


def _form_of(group) -> str:
    if len(group) > 1:
        return "parallel"
    return _BY_ENDING.get(os.path.splitext(group[0])[1].lower(), "parallel")


def _read_json_lines(files: PairFiles, group) -> Iterator[Record]:
    (path,) = group
    for where, text in files.lines(path):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{where} must be JSON: {error}.") from error
        yield Record(where, _object(values, where))


def _read_json(files: PairFiles, group) -> Iterator[Record]:
    (path,) = group
    with open(path, "rb") as file:
        text = decode_text(file.read(), path, files.errors)
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}.") from error
    if isinstance(content, dict) and "data" in content:
        try:
            yield from _questions(path, content["data"])
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{path} must have data, paragraphs, context, qas and question "
                f"as SQuAD has them. Received: {error!r}."
            ) from error
        return
    if not isinstance(content, list):
        raise ValueError(
            f"{path} must hold a list of objects, or {{'data': …}} as SQuAD "
            f"has it. Received: {type(content).__name__}."
        )
    for number, values in enumerate(content, 1):
        where = f"{path}, record {number}"
        yield Record(where, _object(values, where))


def _questions(path: str, articles) -> Iterator[Record]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            context = paragraph["context"]
            for question in paragraph["qas"]:
                answers = [x["text"] for x in question.get("answers", ())]
                number = question.get("id", "")
                yield Record(
                    f"{path}, question {number}",
                    {
                        "context": context,
                        "question": question["question"],
                        "answers": answers,
                        "id": number,
                    },
                )


def _read_tsv(files: PairFiles, group) -> Iterator[Record]:
    (path,) = group
    names = files.columns
    for where, text in files.lines(path):
        cells = text.split("\t")
        if not names:
            names = tuple(cells)
            if len(set(names)) < len(names):
                raise ValueError(
                    f"{where} must name the columns, unless `columns` does, "
                    f"each once. Received: {names}."
                )
            continue
        if len(cells) < len(names):
            raise ValueError(
                f"{where} must have {len(names)} columns, parted by tabs. "
                f"Received: {len(cells)}."
            )
        pairs = zip(names, cells, strict=False)
        yield Record(where, {name: cell for name, cell in pairs if name})


def _read_parallel(files: PairFiles, group) -> Iterator[Record]:
    names = files.columns or [
        os.path.splitext(path)[1].removeprefix(".") for path in group
    ]
    if len(names) != len(group) or len(set(names)) < len(names):
        raise ValueError(
            "Parallel files must end differently, as train.en and train.de, "
            "or `columns` must name each. Received: "
            f"{', '.join(group)}, columns={','.join(files.columns)!r}."
        )
    for lines in itertools.zip_longest(*map(files.lines, group)):
        if None in lines:
            ended = group[lines.index(None)]
            longer = next(line for line in lines if line)[0]
            raise ValueError(
                "Parallel files must have as many lines. Received: "
                f"{longer}, which {ended} does not have."
            )
        where = "; ".join(place for place, _ in lines)
        texts = (text for _, text in lines)
        pairs = zip(names, texts, strict=True)
        yield Record(where, {name: text for name, text in pairs if name})


def _object(values, where: str) -> dict:
    if not isinstance(values, dict):
        raise ValueError(
            f"{where} must be a JSON object. Received: {type(values).__name__}."
        )
    return values


_READERS = {
    "jsonl": _read_json_lines,
    "json": _read_json,
    "tsv": _read_tsv,
    "parallel": _read_parallel,
}
