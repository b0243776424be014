"""Texts on standard input in, their token ids on standard output out.

A message is a line of JSON, which states the sizes of what follows it, and
bytes: UTF-8 one way, int32 the other.
"""

import json
import sys
from typing import BinaryIO

import numpy as np

from gpt_keras.text import tokenizer_file
from gpt_keras.text.host_encoding import make_encoder


def main(directory: str) -> None:
    """Answers until there is no more to read.

    Args:
        directory: The folder of `tokenizer.json`.
    """
    encoder = make_encoder(tokenizer_file.read(directory))
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    try:
        while (texts := receive(stdin)) is not None:
            ids = encoder.encode_batch([text.decode() for text in texts])
            send(stdout, [x.astype("<i4").tobytes() for x in ids])
    except BrokenPipeError:  # nobody waits for the answer
        sys.stdout = None


def send(file: BinaryIO, parts: list[bytes]) -> None:
    """Writes one message."""
    header = json.dumps([len(part) for part in parts])
    file.write(header.encode() + b"\n")
    file.write(b"".join(parts))
    file.flush()


def receive(file: BinaryIO) -> list[bytes] | None:
    """Reads one message; None where the other side has ended."""
    header = file.readline()
    if not header.endswith(b"\n"):
        return None
    sizes = json.loads(header)
    data = file.read(sum(sizes))
    if len(data) < sum(sizes):
        return None
    borders = np.cumsum([0, *sizes]).tolist()
    return [
        data[first:last]
        for first, last in zip(borders, borders[1:], strict=False)
    ]
