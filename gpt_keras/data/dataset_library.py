"""The name of a TensorFlow dataset in, the examples of a split out."""

import contextlib
import importlib


def open_builder(name: str, data_dir: str | None = None):
    """Returns the builder of a dataset; nothing is downloaded yet.

    Raises:
        ValueError: There is no such dataset.
        ImportError: The package `tensorflow-datasets` is missing.
    """
    library = _import()
    with _errors(name):
        return library.builder(name, data_dir=data_dir)


def read_split(builder, name: str, split: str):
    """Prepares a dataset where need be; returns a split, in its order.

    Raises:
        ValueError: There is no such split.
    """
    builder.download_and_prepare()
    with _errors(name):
        return builder.as_dataset(split=split)


def _import():
    try:
        return importlib.import_module("tensorflow_datasets")
    except ImportError as error:
        raise ImportError(
            "Reading a TensorFlow dataset needs the package "
            "`tensorflow-datasets`: pip install tensorflow-datasets."
        ) from error


@contextlib.contextmanager
def _errors(name: str):
    """Keeps the first line: the library goes on to list what it knows."""
    try:
        yield
    except (ValueError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"TensorFlow dataset {name!r} can't be read: {reason} See "
            "https://www.tensorflow.org/datasets/catalog/overview."
        ) from error
