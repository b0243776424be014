"""Flags of texts and of a protocol in, what an evaluation scores out."""

import pathlib

from absl import flags

from gpt_keras.data.sources import TensorFlowDataset
from gpt_keras.data.sources import TextFiles
from gpt_keras.data.text_decoding import decode_text
from gpt_keras.evaluation.detokenizers import DETOKENIZERS
from gpt_keras.evaluation.generation_suites import GENERATION_SUITES
from gpt_keras.evaluation.json_lines import json_lines
from gpt_keras.evaluation.last_word import last_word_task
from gpt_keras.evaluation.multiple_choice import multiple_choice_task
from gpt_keras.evaluation.multiple_choice import read_choice
from gpt_keras.evaluation.perplexity import perplexity_task
from gpt_keras.evaluation.suites import SUITES
from gpt_keras.evaluation.task import Task
from gpt_keras.evaluation.task import check_window


def define_flags(values) -> None:
    """Defines the flags of the benchmark, its texts and its protocol."""
    flags.DEFINE_enum(
        "suite",
        "text",
        [*SUITES, *GENERATION_SUITES],
        "Benchmark, which sets the protocol; `text`: any running text. What "
        "is written for --pairs: translate, answer, summarise, write, pair.",
        flag_values=values,
    )
    _define_source(values)
    _define_protocol(values)


def _define_source(values):
    for name, default, meaning in (
        (
            "text",
            None,
            "Glob of UTF-8 files, several separated by commas; of `lambada` "
            "and `hellaswag` files with a JSON object a line.",
        ),
        ("tfds", None, "Name of a TensorFlow dataset, instead of --text."),
        ("tfds_split", "test", "Split of the TensorFlow dataset."),
        ("tfds_field", None, "Text field; by itself its only one."),
    ):
        flags.DEFINE_string(name, default, meaning, flag_values=values)
    flags.DEFINE_enum(
        "errors",
        "strict",
        ["strict", "replace"],
        "`strict` refuses bytes that are not UTF-8, `replace` doesn't.",
        flag_values=values,
    )


def _define_protocol(values):
    flags.DEFINE_integer(
        "max_length",
        None,
        "Tokens that the model reads at a time; by itself all it can.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "stride",
        None,
        "Tokens from one window of running text to the next; by itself half "
        "a window.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "detokenizer",
        None,
        list(DETOKENIZERS),
        "Clean-up of a benchmark's tokenised text; by itself the suite's.",
        flag_values=values,
    )


def make_source(values):
    """Returns where the texts are read from.

    Raises:
        ValueError: There is no source, or more than one.
    """
    if (values.text is None) == (values.tfds is None):
        raise ValueError(
            "Either `text` or `tfds` must be given. Received: "
            f"{'neither' if values.text is None else 'both'}"
        )
    if values.text is not None:
        return TextFiles(values.text, values.errors)
    return TensorFlowDataset(
        values.tfds, values.tfds_split, values.tfds_field, errors=values.errors
    )


def make_task(values, source, tokenizer, longest: int) -> Task:
    """Returns the task of the flags.

    Args:
        values: The flags.
        source: What `make_source` returned.
        tokenizer: The model's.
        longest: Tokens that the model can read at a time.

    Raises:
        ValueError: A flag is out of range, or a text is not as it must be.
        OSError: A file can't be read.
    """
    suite = SUITES[values.suite]
    max_length = longest if values.max_length is None else values.max_length
    check_window(max_length, longest)
    if suite.kind == "text":
        return perplexity_task(
            _texts(source),
            tokenizer,
            max_length=max_length,
            stride=values.stride,
            detokenizer=values.detokenizer or suite.detokenizer,
            counts_line_ends=suite.counts_line_ends,
        )
    for name in ("stride", "detokenizer"):
        if values[name].value is not None:
            raise ValueError(
                f"`{name}` is for running text. Received: "
                f"{name}={values[name].value}, suite={values.suite}"
            )
    if suite.kind == "last_word":
        texts = (
            [(line.where, line.text("text")) for line in _lines(source)]
            if isinstance(source, TextFiles)
            else _texts(source)
        )
        return last_word_task(texts, tokenizer, max_length=max_length)
    choices = [read_choice(line) for line in _lines(source)]
    return multiple_choice_task(choices, tokenizer, max_length=max_length)


def _texts(source) -> list[tuple[str, str]]:
    """Returns every text with what to call it."""
    if isinstance(source, TextFiles):
        texts = [(path, _read(path, source.errors)) for path in source.paths]
    else:
        texts = [
            (f"{source.name} {source.split}, text {number}", text)
            for number, text in enumerate(source.documents(), 1)
        ]
    return [(where, text) for where, text in texts if text]


def _lines(source):
    if not isinstance(source, TextFiles):
        raise ValueError(
            "`hellaswag` is read from files: give `text`. Received: "
            f"tfds={source.name}"
        )
    for path in source.paths:
        yield from json_lines(_read(path, source.errors), path)


def _read(path: str, errors: str) -> str:
    return decode_text(pathlib.Path(path).read_bytes(), path, errors)
