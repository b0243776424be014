"""Tests of `gpt_keras.cli.detection`."""

import pytest

from gpt_keras.cli import detection
from gpt_keras.cli import program
from gpt_keras.generation.watermark import Detection
from gpt_keras.generation.watermark import Watermark


def _values(*arguments):
    return program.parse(detection.define_flags, *arguments)


def _watermark(*arguments, **parts):
    return detection.watermark(_values(*arguments), **parts)


def test_the_key_comes_from_a_flag_or_a_file(tmp_path):
    (tmp_path / "key").write_text(" 0x2a\n")
    assert _watermark("--key=42") == Watermark(42)
    assert _watermark(f"--key_file={tmp_path}/key") == Watermark(42)
    assert _watermark("--key=0", "--share=0.5", strength=3.0) == Watermark(
        key=0, strength=3.0, share=0.5
    )


def test_there_is_one_key(tmp_path):
    (tmp_path / "key").write_text("42")
    with pytest.raises(ValueError, match="Received: neither"):
        _watermark()
    with pytest.raises(ValueError, match="Received: both"):
        _watermark("--key=0", f"--key_file={tmp_path}/key")
    with pytest.raises(FileNotFoundError):
        _watermark(f"--key_file={tmp_path}/other")


@pytest.mark.parametrize("text", ["", "hush", "1 2", "1.5"])
def test_a_wrong_key_is_not_printed(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(ValueError, match="`key_file` must hold") as error:
        _watermark(f"--key_file={tmp_path}/key")
    assert "hush" not in str(error.value)
    assert error.value.__suppress_context__


@pytest.mark.parametrize("value", ["0", "-1", "nan"])
def test_a_wrong_threshold_is_named(value):
    with pytest.raises(ValueError, match="`threshold` must be"):
        _watermark("--key=1", f"--threshold={value}")


def test_the_verdict_follows_the_threshold():
    values = _values("--threshold=3", "--share=0.5")
    found = Detection(z_score=3.0, green=99, counted=150, p_value=1e-3)
    assert detection.verdict(found, values) == "watermarked"
    assert detection.is_watermarked(found, values)
    found = Detection(z_score=2.99, green=99, counted=150, p_value=1e-3)
    assert detection.verdict(found, values) == "no watermark found"
    assert not detection.is_watermarked(found, values)


def test_a_text_that_can_never_reach_the_threshold_is_too_short():
    values = _values("--threshold=3", "--share=0.5")
    for counted, verdict in [
        (0, "too short to tell"),
        (8, "too short to tell"),
        (9, "no watermark found"),
    ]:
        found = Detection(z_score=0.0, green=0, counted=counted, p_value=1.0)
        assert detection.verdict(found, values) == verdict
