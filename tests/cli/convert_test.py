"""Tests of `gpt_keras.cli.convert`."""

import pytest
from conversion_testing import run_convert
from conversion_testing import tiny_model
from conversion_testing import tiny_tokenizer
from conversion_testing import write
from weights_testing import assert_same_weights

from gpt_keras.cli.model_source import read_model
from gpt_keras.weights import hugging_face


@pytest.mark.parametrize("format", ["hugging_face", "kerashub"])
def test_there_and_back_is_the_same_bit_for_bit(tmp_path, format, capsys):
    source = write(tmp_path / "ours", "gpt_keras", rate=0.25)
    run_convert(source, tmp_path / "theirs", f"--format={format}")
    assert capsys.readouterr().out.strip() == str(tmp_path / "theirs")
    run_convert(tmp_path / "theirs", tmp_path / "again")
    model, tokenizer = read_model(tmp_path / "again")
    assert_same_weights(model, tiny_model())
    assert model.rate == 0.25
    assert tokenizer.fingerprint == tiny_tokenizer().fingerprint


def test_a_document_mask_is_kept_by_our_format_alone(tmp_path, capsys):
    source = write(tmp_path / "a", "gpt_keras", document_separator_id=0)
    run_convert(source, tmp_path / "b")
    assert not capsys.readouterr().err
    assert read_model(tmp_path / "b")[0].document_separator_id == 0
    run_convert(tmp_path / "b", tmp_path / "c", "--format=hugging_face")
    assert "no document mask" in capsys.readouterr().err
    assert read_model(tmp_path / "c")[0].document_separator_id is None


def test_a_refusal_leaves_nothing(tmp_path, model_dir):
    with pytest.raises(ValueError) as error:
        run_convert(model_dir, tmp_path / "to", "--format=hugging_face")
    for reason in ("position is 'rotary'", "qk_norm is True", "use_bias"):
        assert reason in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_kept(tmp_path):
    source = write(tmp_path / "ours", "gpt_keras")
    with pytest.raises(FileExistsError, match="must be a new folder"):
        run_convert(source, source)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    source = write(tmp_path / "ours", "gpt_keras")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hugging_face, "write_safetensors", full)
    with pytest.raises(OSError, match="No space"):
        run_convert(source, tmp_path / "to", "--format=hugging_face")
    assert list(tmp_path.iterdir()) == [source]
