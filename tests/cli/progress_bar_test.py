"""Tests of `gpt_keras.cli.progress_bar`."""

from gpt_keras.cli.progress_bar import ProgressBar


def test_a_bar_counts_what_was_encoded():
    counts = {"total": 10, "tokens": 3, "encoded_tokens": 2}
    with ProgressBar() as bar:
        bar("measure", {"characters": 10, "total": None})
        bar("train", counts | {"characters": 5})
        bar("train", counts | {"characters": 10, "encoded_tokens": 4})
        bar("validation", counts | {"characters": 1})
    assert bar.pace["tokens"] == 6
    assert bar.pace["seconds"] > 0
