"""Tests of `gpt_keras.cli.watermark_key`."""

import pytest

from gpt_keras.cli.watermark_key import read_key


@pytest.mark.parametrize(("text", "key"), [(" 12\n", 12), ("0xff", 255)])
def test_a_key_is_one_integer(tmp_path, text, key):
    path = tmp_path / "key"
    path.write_text(text)
    assert read_key(path, "key_file") == key


@pytest.mark.parametrize("content", [b"", b"secret", b"1 2", b"\xff"])
def test_what_is_no_key_is_not_told(tmp_path, content):
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="`my_flag` must hold one") as error:
        read_key(path, "my_flag")
    assert "secret" not in str(error.value)
