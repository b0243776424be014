"""Text files, a TensorFlow dataset or Python's manual in, documents out."""

import dataclasses
import hashlib
import importlib
from collections.abc import Iterator

from gpt_keras.data.dataset_library import open_builder
from gpt_keras.data.dataset_library import read_split
from gpt_keras.data.file_patterns import matching_files
from gpt_keras.data.file_patterns import sizes_of
from gpt_keras.data.text_decoding import check_errors
from gpt_keras.data.text_decoding import decode_file
from gpt_keras.data.text_decoding import decode_text


@dataclasses.dataclass(frozen=True)
class TextFiles:
    r"""UTF-8 text files, one document a file, in sorted order.

    A byte order mark is removed, and CRLF and lone CR become LF. Files
    without any text are left out.

    Args:
        pattern: A path or glob, or several separated by commas. `**` stands
            for any number of folders.
        errors: `"strict"` refuses a file that is not UTF-8; `"replace"` puts
            U+FFFD in the place of what can't be decoded.

    Raises:
        FileNotFoundError: A pattern matches no file.
        IsADirectoryError: A pattern without wildcards names a folder.
        ValueError: A file is not UTF-8, or `errors` is neither value.

    Example:
        >>> source = TextFiles("books/**/*.txt,notes.txt")
        >>> for text in source.documents(): ...
    """

    pattern: str
    errors: str = "strict"

    def __post_init__(self):
        check_errors(self.errors)

    @property
    def paths(self) -> list[str]:
        """The files that the pattern matches now, sorted, each once."""
        return matching_files(self.pattern)

    @property
    def description(self) -> dict:
        """Names below their common folder, and sizes in bytes."""
        files = sizes_of(self.paths)
        return {"kind": "text_files", "errors": self.errors, "files": files}

    def documents(self) -> Iterator[str]:
        """Reads the files one after the other, each whole."""
        texts = []
        for text, ends in self.pieces():
            texts.append(text)
            if ends:
                yield "".join(texts)
                texts = []

    def pieces(self) -> Iterator[tuple[str, bool]]:
        """Reads the files without holding one in memory.

        Yields:
            A piece of a document, cut between words, and whether the document
            ends with it.
        """
        for path in self.paths:
            last = None
            with open(path, "rb") as file:
                for text in decode_file(file, path, self.errors):
                    if last is not None:
                        yield last, False
                    last = text
            if last is not None:
                yield last, True


@dataclasses.dataclass(frozen=True)
class TensorFlowDataset:
    """One text field of a TensorFlow dataset, one document an example.

    The dataset is downloaded and prepared on first use, as `tfds.load` does.
    Its text is decoded as that of `TextFiles` is.

    Args:
        name: A name as `tfds.load` takes it, such as `"tiny_shakespeare"` or
            `"wiki40b/en:1.3.0"`.
        split: A split as `tfds.load` takes it, such as `"train[:10%]"`.
        text_field: The feature that holds the text. None takes the only
            string feature there is.
        data_dir: Where datasets are kept; None is the library's own folder.
        errors: `"strict"` or `"replace"`, as for `TextFiles`.

    Raises:
        ValueError: Name, split or field are unknown, or the field has to be
            named because there are several.
        ImportError: The package `tensorflow-datasets` is missing.

    Reference:
        https://www.tensorflow.org/datasets/catalog/overview
    """

    name: str
    split: str = "train"
    text_field: str | None = None
    data_dir: str | None = None
    errors: str = "strict"

    def __post_init__(self):
        check_errors(self.errors)

    @property
    def description(self) -> dict:
        """What was asked for; the dataset itself is not looked at."""
        return {
            "kind": "tensorflow_dataset",
            "name": self.name,
            "split": self.split,
            "text_field": self.text_field,
            "errors": self.errors,
        }

    def documents(self) -> Iterator[str]:
        """Prepares the dataset where need be and reads the field in order."""
        builder = open_builder(self.name, self.data_dir)
        field = self._field(builder.info.features)
        dataset = read_split(builder, self.name, self.split)
        examples = dataset.map(lambda example: example[field])
        for index, data in enumerate(examples.as_numpy_iterator()):
            where = f"{self.name} {self.split}, example {index}"
            text = decode_text(data, where, self.errors)
            if text:
                yield text

    def _field(self, features) -> str:
        fields = [name for name in features if _is_text(features[name])]
        if self.text_field is None and len(fields) == 1:
            return fields[0]
        if self.text_field is not None and self.text_field in fields:
            return self.text_field
        raise ValueError(
            f"`text_field` must be a text field of {self.name!r}, which has "
            f"{fields}. Received: text_field={self.text_field!r}."
        )


@dataclasses.dataclass(frozen=True)
class PythonReference:
    """The language reference that Python carries, one document a topic.

    About half a million characters of English prose, by version of Python.

    Raises:
        ImportError: This Python was installed without `pydoc_data`.
    """

    @property
    def description(self) -> dict:
        """The length and hash of the text, whatever the version's number."""
        text = "".join(self.documents())
        return {
            "kind": "python_reference",
            "characters": len(text),
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }

    def documents(self) -> Iterator[str]:
        """Yields the topics in the order of their names."""
        try:
            topics = importlib.import_module("pydoc_data.topics").topics
        except ImportError as error:
            raise ImportError(
                "This Python was installed without its language reference "
                "(the module `pydoc_data.topics`). Give text files or a "
                "TensorFlow dataset instead."
            ) from error
        for name in sorted(topics):
            yield topics[name]


def _is_text(feature) -> bool:
    return feature.tf_dtype == "string" and feature.shape == ()
