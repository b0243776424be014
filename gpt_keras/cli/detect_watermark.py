"""Looks for a watermark in texts.

    python -m tools.detect_watermark --tokenizer=runs/quickstart \\
        --key_file=key.txt --file=letter.txt

It prints a line for each text: by how many standard deviations its tokens
prefer the marked ones, how likely that is without a watermark, how many tokens
were counted, and a verdict.
"""

import pathlib
import sys
from collections.abc import Iterator

from absl import flags

from gpt_keras.cli import detection
from gpt_keras.cli import program
from gpt_keras.data.text_decoding import decode_text
from gpt_keras.generation.watermark import detect
from gpt_keras.text.tokenizer import load_tokenizer


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_string(
        "tokenizer",
        None,
        "Folder with the `tokenizer.json` of the model that may have written "
        "the texts: the model's, or `assets` of an export.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_multi_string(
        "file",
        None,
        "File with a text, `-` for the standard input; several times for "
        "several texts.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_boolean(
        "lines",
        False,
        "Every line of a file is a text of its own.",
        flag_values=values,
    )
    detection.define_flags(values)


def main(values):
    """Prints what each text holds of the watermark."""
    watermark = detection.watermark(values)
    tokenizer = load_tokenizer(values.tokenizer)
    for name, text in _texts(values):
        found = detect(watermark, tokenizer.encode(text))
        print(
            f"{name}: z-score {found.z_score:.2f}, p-value {found.p_value:.2g}"
            f", {found.counted} tokens: {detection.verdict(found, values)}"
        )


def _texts(values) -> Iterator[tuple[str, str]]:
    """Yields every text with what to call it."""
    for path in values.file:
        text = decode_text(_read(path), path, "strict")
        if not values.lines:
            yield path, text
            continue
        for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
            yield f"{path}:{number}", line


def _read(path: str) -> bytes:
    return (
        sys.stdin.buffer.read()
        if path == "-"
        else pathlib.Path(path).read_bytes()
    )


def run():
    """Runs the program."""
    program.run(define_flags, main)
