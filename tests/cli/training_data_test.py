"""Tests of `gpt_keras.cli.training_data`: which tokens a run trains on."""

import pytest

from gpt_keras.cli import program
from gpt_keras.cli import train
from gpt_keras.cli.training_data import claim_data
from gpt_keras.cli.training_data import prepare_data
from gpt_keras.cli.training_data import read_data
from gpt_keras.config import TrainConfig
from gpt_keras.text.character_tokenizer import CharacterTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two stores of one vocabulary and one of another."""
    folder = tmp_path_factory.mktemp("data")
    CharacterTokenizer("abc \n").save(folder / "vocabulary")
    for name in "abc":
        first = "d" if name == "c" else name
        (folder / f"{name}.txt").write_text(f"{first} abc\n" * 200)
        kind = "character" if name == "c" else str(folder / "vocabulary")
        config = TrainConfig(text=str(folder / f"{name}.txt"), tokenizer=kind)
        prepare_data(config, folder / name)
    return folder


def test_trains_on_a_mixture_and_tells_each_loss(folder, tmp_path, capsys):
    arguments = [
        f"--tokens={folder}/a=3,{folder}/b=1",
        f"--model_dir={tmp_path}/run",
        "--d_model=16",
        "--num_heads=2",
        "--dff=32",
        "--num_layers=1",
        "--max_length=8",
        "--batch_size=4",
        "--steps=4",
        "--warmup_steps=2",
        "--sample_every=0",
        "--peak_teraflops=1",
    ]
    assert train.main(program.parse(train.define_flags, *arguments)) == 0
    printed = capsys.readouterr().out
    assert f"{folder}/b: 1,080 tokens, 25.0% of the run" in printed
    assert f"validation loss of {folder}/a: " in printed
    assert not (tmp_path / "run" / "tokens").exists()
    for wrong, message in [
        (f"--tokens={folder}/a=3,{folder}/b=2", "other weights"),
        ("--tokens=", "began with --tokens"),
        (f"--text={folder}/a.txt", "one of `text`"),
    ]:
        values = program.parse(train.define_flags, *arguments, wrong)
        with pytest.raises(ValueError, match=message):
            train.main(values)


def test_the_same_tokens_may_have_moved(folder, tmp_path):
    config = TrainConfig(tokens=f"{folder}/a,{folder}/b")
    claim_data(read_data(config, tmp_path), tmp_path)
    (folder / "b").rename(folder / "moved")
    try:
        moved = TrainConfig(tokens=f"{folder}/a,{folder}/moved")
        assert read_data(moved, tmp_path).facts
        with pytest.raises(ValueError, match="another order of them"):
            other = TrainConfig(tokens=f"{folder}/moved,{folder}/a")
            read_data(other, tmp_path)
    finally:
        (folder / "moved").rename(folder / "b")


def test_a_run_with_tokens_of_its_own_keeps_them(folder, tmp_path):
    own = TrainConfig(text=f"{folder}/a.txt", tokenizer="character")
    data = read_data(own, tmp_path)
    claim_data(data, tmp_path)
    assert data.lines[0].startswith("train: ")
    with pytest.raises(ValueError, match="tokens of its own"):
        read_data(TrainConfig(tokens=f"{folder}/a"), tmp_path)


def test_tokens_must_be_of_the_vocabulary_to_begin_with(folder, tmp_path):
    vocabulary = str(folder / "vocabulary")
    config = TrainConfig(tokens=f"{folder}/a", init_from=vocabulary)
    assert read_data(config, tmp_path).splits.keys() == {"train", "validation"}
    config = TrainConfig(tokens=f"{folder}/c", init_from=vocabulary)
    with pytest.raises(ValueError, match="vocabulary of `init_from`"):
        read_data(config, tmp_path)


def test_damage_is_told_and_can_be_looked_for(folder, tmp_path):
    config = TrainConfig(tokens=f"{folder}/c", verify_tokens=True)
    read_data(config, tmp_path)
    path = folder / "c" / "train-00000.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"\1\0")
    with pytest.raises(ValueError, match="c/train-00000.bin' must have SHA"):
        read_data(config, tmp_path)
    path.write_bytes(content)
