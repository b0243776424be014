"""Tests of `gpt_keras.cli.detect_watermark`."""

import io
import pathlib
import re
import sys

import limited_process
import numpy as np
import pytest
import tensorflow as tf

from gpt_keras.cli import detect_watermark
from gpt_keras.cli import program
from gpt_keras.generation.watermark import Watermark
from gpt_keras.generation.watermark import detect
from gpt_keras.generation.watermark import green_tokens
from gpt_keras.text.character_tokenizer import CharacterTokenizer

ROOT = pathlib.Path(__file__).parents[2]
LETTERS = "".join(map(chr, range(ord("A"), ord("z"))))
LINE = re.compile(r"(.*): z-score (.*), p-value (.*), (\d+) tokens: (.*)")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = CharacterTokenizer(LETTERS + "\n 四")
    tokenizer.save(folder)
    return folder, tokenizer


def _text(tokenizer, watermark, length=300):
    """Letters of which each is green after the one before, where it can."""
    draws = np.random.default_rng(0)
    ids = tokenizer.encode(LETTERS)
    is_green = green_tokens(
        watermark, tf.range(tokenizer.vocab_size), tokenizer.vocab_size
    ).numpy()
    text = ids[:1]
    while len(text) < length:
        choices = draws.permutation(ids)
        greens = [token for token in choices if is_green[text[-1], token]]
        text.append(int((greens or choices)[0]))
    return tokenizer.decode(text)


def _detect(folder, capsys, *arguments):
    """Returns what the program prints, a tuple a line."""
    flags = [f"--tokenizer={folder}", *arguments]
    detect_watermark.main(program.parse(detect_watermark.define_flags, *flags))
    lines = capsys.readouterr().out.splitlines()
    return [LINE.fullmatch(line).groups() for line in lines]


def test_tells_marked_from_plain_texts(tokenizer, tmp_path, capsys):
    folder, tokenizer = tokenizer
    marked = _text(tokenizer, Watermark(42))
    (tmp_path / "marked").write_text(marked)
    (tmp_path / "plain").write_text(_text(tokenizer, Watermark(43)))
    (tmp_path / "short").write_text("ab")
    (tmp_path / "empty").write_text("")
    names = ["marked", "plain", "short", "empty"]
    files = [f"--file={tmp_path}/{name}" for name in names]
    lines = _detect(folder, capsys, "--key=42", *files)
    assert [line[0] for line in lines] == [f"{tmp_path}/{n}" for n in names]
    assert [line[4] for line in lines] == [
        "watermarked",
        "no watermark found",
        "too short to tell",
        "too short to tell",
    ]
    found = detect(Watermark(42), tokenizer.encode(marked))
    assert float(lines[0][1]) == pytest.approx(found.z_score, abs=0.01)
    assert float(lines[0][2]) == pytest.approx(found.p_value, rel=0.1)
    assert [int(line[3]) for line in lines[::2]] == [found.counted, 1]
    assert lines[3][1:4] == ("0.00", "1", "0")


def test_share_and_threshold_are_used(tokenizer, tmp_path, capsys):
    folder, tokenizer = tokenizer
    (tmp_path / "text").write_text(_text(tokenizer, Watermark(42, share=0.5)))
    flags = ["--key=42", f"--file={tmp_path}/text"]
    (right,) = _detect(folder, capsys, *flags, "--share=0.5")
    (strict,) = _detect(
        folder, capsys, *flags, "--share=0.5", "--threshold=10000"
    )
    assert right[4] == "watermarked" and strict[4] == "too short to tell"
    assert right[:4] == strict[:4]
    (wrong,) = _detect(folder, capsys, *flags, "--share=0.05")
    assert float(wrong[1]) < float(right[1])


def test_lines_are_texts_of_their_own(tokenizer, tmp_path, capsys):
    folder, tokenizer = tokenizer
    marked = _text(tokenizer, Watermark(42)).replace("\n", "")
    path = tmp_path / "texts"
    path.write_bytes(f"{marked}\r\n\r\n四 A\n".encode())
    lines = _detect(folder, capsys, "--key=42", "--lines", f"--file={path}")
    assert [line[0] for line in lines] == [f"{path}:{n}" for n in (1, 2, 3)]
    assert lines[0][4] == "watermarked"
    assert [int(line[3]) for line in lines[1:]] == [0, 2]


def test_reads_the_standard_input(tokenizer, tmp_path, capsys, monkeypatch):
    folder, tokenizer = tokenizer
    (tmp_path / "key").write_text("42\n")
    text = _text(tokenizer, Watermark(42)).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    (line,) = _detect(folder, capsys, f"--key_file={tmp_path}/key", "--file=-")
    assert line[0] == "-" and line[4] == "watermarked"


def test_what_is_no_text_or_no_tokenizer_is_named(tokenizer, tmp_path, capsys):
    folder, _ = tokenizer
    (tmp_path / "bytes").write_bytes(b"ab\xff")
    with pytest.raises(ValueError, match="must be UTF-8"):
        _detect(folder, capsys, "--key=1", f"--file={tmp_path}/bytes")
    with pytest.raises(FileNotFoundError):
        _detect(tmp_path, capsys, "--key=1", f"--file={tmp_path}/bytes")


def test_the_tool_runs_the_program(tokenizer, tmp_path):
    folder, tokenizer = tokenizer
    (tmp_path / "text").write_text(_text(tokenizer, Watermark(42)))
    command = [sys.executable, "-m", "tools.detect_watermark"]
    command += [f"--tokenizer={folder}", f"--file={tmp_path}/text"]
    command.append("--key=42")
    done = limited_process.run(
        command, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(": watermarked\n")
