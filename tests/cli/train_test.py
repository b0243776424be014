"""Tests of `gpt_keras.cli.train`: from text to a trained model folder."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import limited_process
import pytest

from gpt_keras.cli import program
from gpt_keras.cli import train
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.run_log import read_metrics

ROOT = pathlib.Path(train.__file__).parents[2]
TINY = (
    "--d_model=16",
    "--num_heads=2",
    "--dff=32",
    "--num_layers=1",
    "--max_length=16",
    "--batch_size=4",
    "--warmup_steps=2",
    "--tokenizer=character",
    "--validate_every=20",
    "--checkpoint_every=5",
    "--sample_every=0",
    "--log_every=4",
    "--peak_teraflops=1",  # else each start measures it
)


@pytest.fixture(name="text")
def _text(tmp_path):
    """A file of words, 4,000 characters or so."""
    words = random.Random(0).choices(["one", "two", "three", "四"], k=1000)
    path = tmp_path / "text.txt"
    path.write_text(" ".join(words), encoding="utf-8")
    return path


def _train(*arguments):
    return train.main(program.parse(train.define_flags, *TINY, *arguments))


def _start(*arguments):
    """Runs the program in a process of its own, for as long as a context."""
    path = os.pathsep.join([str(ROOT), *sys.path])
    return limited_process.started(
        [sys.executable, "-m", "tools.train", *TINY, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_from_text_to_a_model_folder(tmp_path, text, capsys):
    folder = tmp_path / "run"
    arguments = (f"--text={text}", f"--model_dir={folder}", "--steps=40")
    arguments += ("--peak_teraflops=0",)  # is measured
    assert _train(*arguments, "--sample_every=40", "--sample_prompt=o") == 0
    printed = capsys.readouterr().out
    assert "validation loss" in printed and "unigram entropy" in printed
    assert "step 40: sample\no" in printed
    names = {path.name for path in folder.iterdir()}
    assert names >= {"config.json", "tokenizer.json", "curves.png"}
    assert load_tokenizer(folder).decode(load_tokenizer(folder).encode("四"))
    losses = [x["loss"] for x in read_metrics(folder) if "loss" in x]
    assert losses[-1] < losses[0]
    again = program.parse(
        train.define_flags,
        f"--flagfile={folder}/flagfile.txt",
        f"--model_dir={tmp_path}/again",
    )
    assert train.main(again) == 0
    configurations = [
        json.loads((tmp_path / name / "config.json").read_text())
        for name in ("run", "again")
    ]
    assert configurations[0] == configurations[1]
    assert _train(*arguments) == 0  # done already


def test_ctrl_c_saves_and_two_devices_are_used(tmp_path, text):
    folder = tmp_path / "run"
    arguments = (
        f"--text={text}",
        f"--model_dir={folder}",
        "--steps=100000",
        "--checkpoint_every=0",
        "--logical_cpus=2",
        "--deterministic",
        "--sample_every=1",
        "--log_every=1",
    )
    with _start(*arguments) as process:
        while len(read_metrics(folder)) < 2:
            assert process.poll() is None, process.stdout.read()[-3000:]
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output[-3000:]
    assert "Stopped by SIGINT and saved at step" in output
    assert "step 1: sample" in output
    (checkpoint,) = (folder / "checkpoints").glob("*.index")
    logged = read_metrics(folder)[-1]["step"]
    assert int(checkpoint.stem.split("-")[1]) >= logged >= 2


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--text=nowhere/*.txt"], "nowhere"),
        (["--text={latin}"], "line 2.*replace"),
        (["--text={empty}"], "must have text"),
        (["--text={text}", "--max_length=100000"], "100000"),
        (
            ["--text={text}", "--tokenizer=byte_pair", "--vocab_size=5000"],
            "5000",
        ),
        (["--text={text}", "--d_model=100", "--num_heads=12"], "num_heads=12"),
        (["--text={text}", "--tokenizer={empty}"], "byte_pair, character or"),
        (["--text={text}", "--init_from={empty}"], "tokenizer.json"),
        (["--text={text}", "--tfds=lm1b"], "one of `text`"),
    ],
)
def test_bad_input_is_named(tmp_path, text, arguments, message):
    (tmp_path / "latin.txt").write_bytes(b"good\nbad \xe9\n")
    (tmp_path / "empty.txt").write_text("")
    places = {
        "text": text,
        "latin": tmp_path / "latin.txt",
        "empty": tmp_path / "empty.txt",
    }
    arguments = [argument.format(**places) for argument in arguments]
    with pytest.raises((ValueError, OSError), match=message):
        _train(f"--model_dir={tmp_path}/run", *arguments)


def test_a_folder_that_cannot_be_is_named(text):
    with pytest.raises(OSError, match="text.txt"):
        _train(f"--text={text}", f"--model_dir={text}/run")


def test_bytes_that_are_not_utf8_can_be_accepted(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9 " * 200)
    folder = tmp_path / "run"
    arguments = (f"--text={path}", f"--model_dir={folder}", "--steps=2")
    assert _train(*arguments, "--errors=replace") == 0


def test_another_configuration_is_refused(tmp_path, text):
    arguments = (
        f"--text={text}",
        f"--model_dir={tmp_path}/run",
        "--warmup_steps=0",
    )
    _train(*arguments, "--steps=2")
    with pytest.raises(ValueError, match="steps: 2 there, 3 now"):
        _train(*arguments, "--steps=3")
    with pytest.raises(ValueError, match="validation|fraction"):
        _train(*arguments, "--steps=2", "--validation_fraction=0.2")
    text.write_text(text.read_text() + " more")
    with pytest.raises(ValueError, match="another corpus"):
        _train(*arguments, "--steps=2")


def test_a_mistaken_option_spoils_no_folder(tmp_path, text):
    arguments = (f"--text={text}", f"--model_dir={tmp_path}/run", "--steps=2")
    for mistake in ("--position=alibi", "--num_heads=3", "--dtype=float7"):
        with pytest.raises((ValueError, TypeError)):
            _train(*arguments, mistake)
    assert _train(*arguments) == 0


def test_a_flipped_byte_in_the_tokens_is_named(tmp_path, text):
    arguments = (f"--text={text}", f"--model_dir={tmp_path}/run", "--steps=2")
    _train(*arguments)
    path = tmp_path / "run" / "tokens" / "train-00000.bin"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="train-00000.bin"):
        _train(*arguments)


def test_errors_are_one_line(tmp_path):
    arguments = ("--text=nowhere.txt", f"--model_dir={tmp_path}/run")
    with _start(*arguments) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    (line,) = output.strip().splitlines()
    assert line.startswith("error: ") and "nowhere.txt" in line


def test_begins_with_another_models_weights(tmp_path, text):
    first, second = tmp_path / "first", tmp_path / "second"
    _train(f"--text={text}", f"--model_dir={first}", "--steps=60")
    other = tmp_path / "other.txt"
    other.write_text("two one " * 200)
    _train(
        f"--text={other}",
        f"--model_dir={second}",
        f"--init_from={first}",
        "--steps=2",
        "--log_every=1",
    )
    assert (
        load_tokenizer(second).fingerprint == load_tokenizer(first).fingerprint
    )
    started = read_metrics(second)[0]["loss"]
    assert started < read_metrics(first)[0]["loss"] - 0.1
    config = json.loads((second / "config.json").read_text())
    assert config["training"]["init_from"] == str(first)
