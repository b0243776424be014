"""One model, trained by the program, for the tests of what uses it."""

import pytest

from gpt_keras.cli import program
from gpt_keras.cli import train

TEXT = "one two three 四五 " * 300


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory):
    """A folder as `tools.train` leaves it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    arguments = [
        f"--model_dir={folder}/run",
        f"--text={folder}/text.txt",
        "--d_model=32",
        "--num_heads=2",
        "--dff=64",
        "--num_layers=1",
        "--max_length=32",
        "--batch_size=8",
        "--vocab_size=270",
        "--steps=60",
        "--warmup_steps=5",
        "--learning_rate=0.01",
        "--sample_every=0",
        "--peak_teraflops=1",
    ]
    train.main(program.parse(train.define_flags, *arguments))
    return folder / "run"
