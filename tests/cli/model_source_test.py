"""Tests of `gpt_keras.cli.model_source`."""

import json

import numpy as np
import pytest
from conversion_testing import TEXT
from conversion_testing import tiny_model
from conversion_testing import tiny_tokenizer
from conversion_testing import write
from weights_testing import assert_same_weights

from gpt_keras.cli import export
from gpt_keras.cli import generate
from gpt_keras.cli import program
from gpt_keras.cli import train
from gpt_keras.cli.model_source import load_weights
from gpt_keras.cli.model_source import read_model
from gpt_keras.cli.model_source import read_tokenizer
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.training.model_folder import load_model

FORMATS = ("gpt_keras", "hugging_face", "kerashub")
TRAIN = (
    "--d_model=16",
    "--num_heads=2",
    "--dff=32",
    "--num_layers=2",
    "--max_length=16",
    "--position=learned",
    "--activation=gelu",
    "--qk_norm=false",
    "--use_bias",
    "--batch_size=4",
    "--warmup_steps=0",
    "--sample_every=0",
    "--peak_teraflops=1",  # else each start measures it
)


@pytest.fixture(params=FORMATS)
def source(request, tmp_path):
    """A folder in each format."""
    return write(tmp_path / "source", request.param)


def test_model_and_tokenizer_come_back(source):
    model, tokenizer = read_model(source)
    assert_same_weights(model, tiny_model())
    assert tokenizer.fingerprint == tiny_tokenizer().fingerprint
    assert read_tokenizer(source).fingerprint == tokenizer.fingerprint


def test_a_dtype_is_taken(source):
    model, _ = read_model(source, dtype="mixed_bfloat16")
    assert model.compute_dtype == "bfloat16"


def test_programs_take_any_source(tmp_path, capsys):
    source = write(tmp_path / "source", "hugging_face")
    arguments = (f"--model_dir={source}", "--prompt=one", "--max_new_tokens=3")
    generate.main(program.parse(generate.define_flags, *arguments))
    assert capsys.readouterr().out.startswith("one")
    arguments = (f"--model_dir={source}", f"--output={tmp_path}/out")
    arguments += ("--signatures=serving_default",)
    export.main(program.parse(export.define_flags, *arguments))
    assert (tmp_path / "out" / "1" / "saved_model.pb").exists()


def _train(tmp_path, source, *arguments):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    values = program.parse(
        train.define_flags,
        f"--text={tmp_path}/text.txt",
        f"--model_dir={tmp_path}/run",
        f"--init_from={source}",
        *TRAIN,
        *arguments,
    )
    return train.main(values)


@pytest.mark.parametrize("format", ["gpt_keras", "hugging_face"])
def test_training_begins_with_any_source(tmp_path, format):
    source = write(tmp_path / "source", format)
    arguments = ("--steps=1", "--learning_rate=1e-9", "--rate=0.2")
    assert _train(tmp_path, source, *arguments, "--min_learning_rate=0") == 0
    trained = load_model(tmp_path / "run")
    for one, two in zip(
        trained.trainable_variables,
        tiny_model().trainable_variables,
        strict=True,
    ):
        np.testing.assert_allclose(one, two, atol=1e-6)
    tokenizer = read_tokenizer(tmp_path / "run")
    assert tokenizer.fingerprint == tiny_tokenizer().fingerprint


def test_another_architecture_is_named_field_by_field(source, tmp_path):
    with pytest.raises(ValueError) as error:
        _train(tmp_path, source, "--dff=64", "--num_layers=1")
    assert "dff: 32 there, 64 here" in str(error.value)
    assert "num_layers: 2 there, 1 here" in str(error.value)
    assert "rate" not in str(error.value)
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_vocabulary_that_does_not_fit_is_refused(tmp_path):
    source = write(tmp_path / "source", "hugging_face", vocab_size=280)
    with pytest.raises(ValueError, match="270 tokens and vocab_size=280"):
        read_model(source)


def test_the_best_weights_are_those_of_a_run(tmp_path):
    source = write(tmp_path / "source", "hugging_face")
    with pytest.raises(ValueError, match="`best` needs a folder"):
        read_model(source, best=True)


def test_added_tokens_keep_their_ids(tmp_path):
    tokenizer = tiny_tokenizer()
    more = type(tokenizer)(
        tokenizer.content()["vocabulary"],
        [tuple(x.split(" ")) for x in tokenizer.content()["merges"]],
        ["<|user|>"],
    )
    source = write(
        tmp_path / "source", "hugging_face", more, vocab_size=more.vocab_size
    )
    assert read_tokenizer(source).special_tokens == more.special_tokens


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("vocab.json", "must have vocab.json and merges.txt"),
        ("config.json", "must have config.json"),
        ("model.safetensors", "must have model.safetensors"),
    ],
)
def test_a_file_that_is_missing_is_named(tmp_path, name, error):
    source = write(tmp_path / "source", "hugging_face")
    (source / name).unlink()
    with pytest.raises(FileNotFoundError, match=error):
        read_model(source)


def test_a_pickle_alone_is_refused(tmp_path):
    source = write(tmp_path / "source", "hugging_face")
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pickle"):
        read_model(source)


def test_openais_folder_is_a_source(tmp_path):
    # Weights are in tests/weights/openai_test.py; here, that it is chosen.
    tiny_tokenizer().save_gpt2_files(tmp_path)
    (tmp_path / "vocab.json").rename(tmp_path / "encoder.json")
    (tmp_path / "merges.txt").rename(tmp_path / "vocab.bpe")
    (tmp_path / "hparams.json").write_text("{}")
    tokenizer = read_tokenizer(tmp_path)
    assert tokenizer.fingerprint == tiny_tokenizer().fingerprint
    with pytest.raises(ValueError, match="`n_embd` in .*hparams.json"):
        read_model(tmp_path)


def test_a_preset_is_named_to_kerashub(tmp_path):
    source = write(tmp_path / "source", "kerashub")
    model, _ = read_model(f"kerashub:{source}")
    assert_same_weights(model, tiny_model())
    with pytest.raises(ValueError, match="KerasHub must be able to read 'no_"):
        read_model("kerashub:no_such_preset")


def test_nothing_is_no_source(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError):
            read_model(folder)
        with pytest.raises(FileNotFoundError, match="no model folder"):
            load_weights(folder, tiny_model())


def test_no_run_goes_on_in_a_converted_folder(tmp_path):
    source = write(tmp_path / "run", "gpt_keras")
    with pytest.raises(ValueError, match="not trained there.*--init_from"):
        _train(tmp_path, source)


def test_characters_are_for_this_project_alone(tmp_path):
    tokenizer = CharacterTokenizer("one tw")
    size = {"vocab_size": tokenizer.vocab_size}
    write(tmp_path / "ours", "gpt_keras", tokenizer, **size)
    model, again = read_model(tmp_path / "ours")
    assert again.fingerprint == tokenizer.fingerprint
    with pytest.raises(ValueError, match="byte-level BPE only.*'character'"):
        write(tmp_path / "theirs", "hugging_face", tokenizer, **size)


def test_a_config_with_a_broken_line_is_told(tmp_path):
    source = write(tmp_path / "source", "hugging_face")
    path = source / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()))[:-1])
    with pytest.raises(ValueError, match="config.json.*must be a JSON object"):
        read_model(source)
