r"""Evaluates a model on texts, by the protocols of published figures.

    python -m tools.evaluate --model_dir=runs/quickstart --text='books/*.txt'
    python -m tools.evaluate --model_dir=runs/quickstart --suite=wikitext2 \
        --text=wiki.test.raw --json=wikitext2.json

With --json or --resume_dir the same command goes on where it was stopped.
"""

import json
import os
import pathlib
import sys

import tqdm
from absl import flags

from gpt_keras.cli import program
from gpt_keras.data.sources import TensorFlowDataset
from gpt_keras.data.sources import TextFiles
from gpt_keras.data.text_decoding import decode_text
from gpt_keras.evaluation import report
from gpt_keras.evaluation.detokenizers import DETOKENIZERS
from gpt_keras.evaluation.evaluator import TOKENS_PER_BATCH
from gpt_keras.evaluation.evaluator import evaluate
from gpt_keras.evaluation.json_lines import json_lines
from gpt_keras.evaluation.last_word import last_word_task
from gpt_keras.evaluation.multiple_choice import multiple_choice_task
from gpt_keras.evaluation.multiple_choice import read_choice
from gpt_keras.evaluation.perplexity import perplexity_task
from gpt_keras.evaluation.suites import SUITES
from gpt_keras.evaluation.task import Task
from gpt_keras.evaluation.task import check_window
from gpt_keras.files import write_atomically
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.model_folder import load_model


def define_flags(values):
    """Defines the program's flags."""
    program.define_model_dir(values)
    flags.DEFINE_enum(
        "suite",
        "text",
        list(SUITES),
        "Benchmark, which sets the protocol; `text`: any running text.",
        flag_values=values,
    )
    _define_source(values)
    _define_protocol(values)
    flags.DEFINE_integer(
        "batch_tokens",
        TOKENS_PER_BATCH,
        "Most tokens that are read at once.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "json",
        None,
        "File for figures, counts and protocol. What is done so far stands "
        "beside it, to go on from.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "resume_dir",
        None,
        "Folder for what is done so far, instead of beside --json.",
        flag_values=values,
    )


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


def main(values):
    """Prints the figures; returns the exit status."""
    source = _source(values)
    model = load_model(values.model_dir, best=values.best)
    tokenizer = load_tokenizer(values.model_dir)
    max_length = values.max_length
    if max_length is None:
        max_length = model.max_length
    check_window(max_length, model.max_length)
    task = _task(values, source, tokenizer, max_length)
    partial_file = _partial_file(values)
    try:
        with _Bar() as bar:
            result = evaluate(
                model,
                tokenizer,
                task,
                partial_file=partial_file,
                tokens_per_batch=values.batch_tokens,
                progress=bar.show,
            )
    except KeyboardInterrupt:
        kept = "the same command goes on" if partial_file else "nothing is kept"
        print(f"stopped: {kept}", file=sys.stderr)
        return 130  # as a shell reports a stopped program
    if values.json:
        facts = report.to_json(values.suite, task, result, source.description)
        content = json.dumps(facts, indent=2, allow_nan=False)
        write_atomically(values.json, content + "\n")
    if partial_file:
        os.unlink(partial_file)
    print(report.to_text(values.suite, task, result))
    return 0


def _source(values):
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


def _task(values, source, tokenizer, max_length: int) -> Task:
    suite = SUITES[values.suite]
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


def _partial_file(values) -> str | None:
    if values.resume_dir:
        return os.path.join(values.resume_dir, f"{values.suite}.partial")
    return f"{values.json}.partial" if values.json else None


class _Bar:
    """A progress bar for what takes longer than two seconds."""

    def __enter__(self):
        self._bar = tqdm.tqdm(
            unit="token",
            unit_scale=True,
            delay=2,
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
        )
        return self

    def __exit__(self, *exception):
        self._bar.close()

    def show(self, read: int, total: int) -> None:
        if self._bar.total is None:
            self._bar.total, self._bar.initial = total, read
        self._bar.update(read - self._bar.n)


def run():
    """Runs the program."""
    program.run(define_flags, main)
