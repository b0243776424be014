"""Tests of `gpt_keras.cli.resize`."""

import json
import shutil

import numpy as np
import pytest

from gpt_keras.cli import program
from gpt_keras.cli import resize
from gpt_keras.cli import train
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.model_folder import load_model

IDS = np.arange(20).reshape(2, 10)


def _resize(model_dir, output, *arguments):
    places = (f"--model_dir={model_dir}", f"--output={output}")
    resize.main(program.parse(resize.define_flags, *places, *arguments))


def _train_on(model_dir, output, *arguments):
    """Trains a step as the folder's own flags say, with its texts."""
    flags = (
        f"--flagfile={model_dir}/flagfile.txt",
        f"--model_dir={output}",
        "--steps=1",
        "--warmup_steps=0",
        "--peak_teraflops=1",
        *arguments,
    )
    train.main(program.parse(train.define_flags, *flags))


def test_everything_at_once_and_trained_on(model_dir, tmp_path, capsys):
    output = tmp_path / "resized"
    _resize(
        model_dir,
        output,
        "--add_special_tokens=<|user|>,<|model|>",
        "--vocab_multiple=64",
        "--max_length=48",
    )
    printed = capsys.readouterr().out
    tokenizer, old = load_tokenizer(output), load_tokenizer(model_dir)
    size = old.vocab_size
    assert tokenizer.special_tokens == {
        **old.special_tokens,
        "<|user|>": size,
        "<|model|>": size + 1,
    }
    assert tokenizer.encode("one 四") == old.encode("one 四")
    model = load_model(output)
    assert (model.vocab_size, model.max_length) == (size + 2, 48)
    assert model.embedding.embeddings.shape[0] == 320
    expected = load_model(model_dir)(IDS)
    np.testing.assert_allclose(model(IDS)[..., :size], expected, atol=1e-5)
    flags = printed.split("To train on: ")[1].split()
    _train_on(model_dir, tmp_path / "run", *flags)
    trained = load_model(tmp_path / "run")
    assert trained.embedding.embeddings.shape[0] == 320
    with pytest.raises(ValueError, match="vocab_multiple: 64 there, 1 here"):
        _train_on(model_dir, tmp_path / "other", *flags[:2])


def test_a_cropped_model_is_the_same_on_short_texts(model_dir, tmp_path):
    _resize(model_dir, tmp_path, "--max_length=10")
    model = load_model(tmp_path)
    assert model.max_length == 10
    np.testing.assert_array_equal(model(IDS), load_model(model_dir)(IDS))


def test_adapters_are_merged(model_dir, tmp_path):
    adapted = tmp_path / "adapted"
    flags = (f"--init_from={model_dir}", "--lora_rank=2", "--learning_rate=1")
    _train_on(model_dir, adapted, *flags)
    _resize(adapted, tmp_path / "resized", "--vocab_multiple=64")
    model = load_model(tmp_path / "resized")
    expected = load_model(adapted, merge=False)(IDS)
    np.testing.assert_allclose(model(IDS), expected, atol=1e-4)
    assert np.abs(expected - load_model(model_dir)(IDS)).max() > 0.01


def test_special_tokens_of_characters():
    tokenizer = CharacterTokenizer("abc")
    more = resize.with_special_tokens(tokenizer, ["<s>", "</s>"])
    assert more.special_tokens == {
        **tokenizer.special_tokens,
        "<s>": 5,
        "</s>": 6,
    }
    assert more.encode("cab?") == tokenizer.encode("cab?")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "At least one of `max_length`.* Received: none"),
        (["--max_length=0"], "`max_length` must be positive.*max_length=0"),
        (["--vocab_multiple=-1"], "`vocab_multiple` must be positive"),
        (
            ["--add_special_tokens=<|endoftext|>"],
            r"must be new ones. Received: <\|endoftext\|>, which",
        ),
        (["--add_special_tokens=o"], "must be new ones. Received: o, which"),
        (["--add_special_tokens=<a>,<a>"], "Special tokens must differ"),
        (["--add_special_tokens=<a>,"], "must be a string. Received: ''"),
    ],
)
def test_bad_input_is_told_and_nothing_written(
    model_dir, tmp_path, arguments, message
):
    with pytest.raises(ValueError, match=message):
        _resize(model_dir, tmp_path / "output", *arguments)
    assert not (tmp_path / "output").exists()


def test_a_folder_with_something_in_it_is_refused(model_dir, tmp_path):
    (tmp_path / "text.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="must be a new folder"):
        _resize(model_dir, tmp_path, "--max_length=8")
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_a_vocabulary_that_does_not_fit_is_refused(model_dir, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(model_dir, other)
    CharacterTokenizer("abc").save(other)
    with pytest.raises(ValueError, match="5 tokens and vocab_size="):
        _resize(other, tmp_path / "output", "--max_length=8")


def test_it_is_no_run_that_goes_on(model_dir, tmp_path):
    _resize(model_dir, tmp_path, "--vocab_multiple=64")
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["model"]["vocab_multiple"] == 64
    with pytest.raises(ValueError, match="a model that was not trained there"):
        _train_on(model_dir, tmp_path)
